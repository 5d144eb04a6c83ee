"""Optuna's PED-ANOVA, for the same trials with many different costs."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class PedAnova:
    """The importances of some settings in some trials, given what each trial costs.

    Trials and costs are given to Optuna's evaluator by hand: a study for each resample would take four times as long.
    """

    def __init__(self, study: optuna.Study, names: Sequence[str], share: float) -> None:
        """Begin.

        Args:
            study: the trials.
            names: the settings.
            share: which share of the trials counts as good.
        """
        self._names = names
        self._whole = study.get_trials(deepcopy=False)
        _share_distributions(self._whole)
        self._evaluator = PedAnovaImportanceEvaluator(target_quantile=share)

    def __call__(self, drawn: Ints, costs: Floats) -> Floats:
        """Give the importance of each setting.

        Args:
            drawn: (N,) numbers of trials, some maybe more than once.
            costs: (N,) what they cost; smaller is better. Those of one trial are equal.
        """
        trials = [self._whole[number] for number in drawn]
        cost_of = {id(trial): float(cost) for trial, cost in zip(trials, costs, strict=True)}

        def target(trial: FrozenTrial) -> float:
            return cost_of[id(trial)]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = self._evaluator.evaluate(cast(optuna.Study, _Trials(trials)), target=target)
        return np.array([found.get(name, 0.0) for name in self._names])


class _Trials:
    """As much of a study as the evaluator asks for."""

    directions = (optuna.study.StudyDirection.MINIMIZE,)

    def __init__(self, trials: Sequence[FrozenTrial]) -> None:
        self._trials = list(trials)

    def get_trials(self, *, deepcopy: bool = False, states: Any = None) -> list[FrozenTrial]:
        del deepcopy, states
        return self._trials

    def _is_multi_objective(self) -> bool:
        return False


def _share_distributions(trials: Sequence[FrozenTrial]) -> None:
    """Let equal distributions be one object: Optuna compares them by the million, and a choice's values one by one."""
    seen: dict[BaseDistribution, BaseDistribution] = {}
    for trial in trials:
        trial.distributions = {name: seen.setdefault(each, each) for name, each in trial.distributions.items()}
