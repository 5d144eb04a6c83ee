"""A study with known effects: `strong` decides the value, `weak` a little of it, `nothing` none of it."""

from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import create_trial


def study_with_effects(trials: int, seed: int = 0) -> optuna.Study:
    rng = np.random.default_rng(seed)
    study = optuna.create_study()
    for number in range(trials):
        params: dict[str, Any] = {"strong": rng.random(), "nothing": rng.random(), "kind": "ab"[rng.integers(2)]}
        domains: dict[str, BaseDistribution] = {
            "strong": FloatDistribution(0, 1),
            "nothing": FloatDistribution(0, 1),
            "kind": CategoricalDistribution(("a", "b")),
            "fixed": CategoricalDistribution((3,)),
        }
        params["fixed"] = 3
        if number < 4:
            params["rare"], domains["rare"] = rng.random(), FloatDistribution(0, 1)
        value = abs(params["strong"] - 0.3) + 0.02 * rng.normal()
        study.add_trial(create_trial(value=value, params=params, distributions=domains, user_attrs={"trial": number}))
    return study
