"""The trials as Optuna's tools want them: all that have a value, under short names, comparable with each other."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, create_trial

from twinverify.reports.page.told import Sweep
from twinverify.search.domains import Domain
from twinverify.search.record import Judged
from twinverify.verification.objective import higher_is_better

# Optuna tells of every new study otherwise.
optuna.logging.set_verbosity(optuna.logging.ERROR)


def settings_study(sweep: Sweep) -> optuna.Study:
    """Give a study of the trials that ended with a value, as if all had run to the end, in the metric's own sign.

    Optuna's figures and importances see completed trials only, and after early stopping those are the good ones: what
    made the others bad would be invisible. So a stopped trial stands here as complete. Its own value is no match for
    the others', having had fewer epochs: it stands at `projected`.
    """
    gains = mean_gains(sweep)
    study = optuna.create_study(direction="maximize" if higher_is_better(sweep.objective) else "minimize")
    ended = [each for _, each in sorted(sweep.judged.items()) if each.trial.state != "running"]
    study.add_trials([_told(sweep, each, projected(each, gains)) for each in ended])
    return study


def projected(each: Judged, gains: Mapping[int, float]) -> float:
    """Give the value that a trial would have reached, had it gone on as the completed ones did on average."""
    return each.value + (gains.get(each.trial.epoch, 0.0) if each.trial.state == "pruned" else 0.0)


def mean_gains(sweep: Sweep) -> dict[int, float]:
    """Give for each epoch how much the completed trials' best value changed from there to the end, on average."""
    best = np.minimum if sweep.better == "lower" else np.maximum
    values = [[report[sweep.objective] for report in trial.reports] for trial in sweep.in_state("completed")]
    so_far = [best.accumulate(row) for row in values if len(row) == sweep.epochs]
    if not so_far:
        return {}
    gains = np.mean([row[-1] - row for row in so_far], axis=0)
    return {epoch: float(gain) for epoch, gain in enumerate(gains, 1)}


def _told(sweep: Sweep, each: Judged, value: float) -> FrozenTrial:
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}

    def pick(key: str, name: str, domain: Domain) -> Any:
        del name
        drawn = each.trial.values.get(key, sweep.space.base[key])
        # The default may lie outside what is searched; Optuna has no place for such a value.
        if key in each.trial.values and drawn in domain:
            params[sweep.names[key]] = domain.held(drawn)
            distributions[sweep.names[key]] = domain.distribution()
        return drawn

    sweep.space.walk(pick)
    return create_trial(
        value=value, params=params, distributions=distributions, user_attrs={"trial": each.trial.number}
    )


def part_of(study: optuna.Study, most: int, names: Collection[str]) -> optuna.Study:
    """Give at most so many of the trials that have one of the settings: the best, and others evenly over the rest."""
    trials = [trial for trial in study.get_trials(deepcopy=False) if not trial.params.keys().isdisjoint(names)]
    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    ranked = sorted(trials, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    best, rest = (ranked, []) if len(ranked) <= most else (ranked[: most // 2], ranked[most // 2 :])
    others = [rest[i * len(rest) // (most - len(best))] for i in range(most - len(best)) if rest]
    part = optuna.create_study(direction=study.direction)
    part.add_trials(sorted([*best, *others], key=lambda trial: trial.number))
    return part
