"""Whether stopping early was right: what a rung says of the end, and what became of the trials that were let run."""

from collections.abc import Sequence
from math import atanh, sqrt, tanh
from typing import Final, NamedTuple

import numpy as np

from twinverify.search.state import SweepState, Trial
from twinverify.verification.intervals import Interval
from twinverify.verification.objective import cost

#: Below that many trials the interval of a correlation has no width that could be estimated.
_FEWEST: Final = 4
_Z: Final = 1.959964  # 95 %


class RungAudit(NamedTuple):
    """What one rung says of the end.

    Attributes:
        epoch: where the rung lies.
        trials: how many trials ran to the end, past it.
        correlation: Spearman's, of the best values up to there and up to the end; None where it is not estimable.
        interval: 95 %.
    """

    epoch: int
    trials: int
    correlation: float | None
    interval: Interval | None


class FidelityAudit(NamedTuple):
    """How well early stopping did.

    Attributes:
        rungs: in the order of the epochs.
        spared: how many trials were to be stopped, and were let run to the end all the same.
        won: how many of these ended better than all that were not to be stopped, and than those that were.
        share: 95 % interval of the share that wins among all that were to be stopped; None where none was spared.
    """

    rungs: Sequence[RungAudit]
    spared: int
    won: int
    share: Interval | None = None


def audit_fidelity(state: SweepState, rungs: Sequence[int]) -> FidelityAudit:
    """Compare the values at the rungs with those at the end.

    Only trials that ran to the end can be compared. Without spared ones these are those that did well at every rung,
    which makes a correlation look smaller than it is over all trials.

    Args:
        state: the sweep's trials.
        rungs: the epochs at which trials were stopped.

    Returns:
        The audit; the interval of the share is Clopper and Pearson's.
    """
    from scipy.stats import binomtest  # a second

    ended = [trial for trial in state.trials if trial.state == "completed" and trial.epoch == state.epochs]
    so_far = [_best_so_far(trial, state.objective) for trial in ended]
    spared = [values[-1] for trial, values in zip(ended, so_far, strict=True) if trial.spared_at is not None]
    others = [cost(state.objective, each.value) for each in state.ranked() if _is_other(each.trial)]
    won = sum(value < min(others, default=np.inf) for value in spared)
    share = None
    if spared:
        found = binomtest(won, len(spared)).proportion_ci()
        share = Interval(float(found.low), float(found.high))
    return FidelityAudit([_rung(epoch, so_far) for epoch in rungs], len(spared), won, share)


def _is_other(trial: Trial) -> bool:
    return trial.spared_at is None and trial.state != "failed"


def _best_so_far(trial: Trial, objective: str) -> np.ndarray:
    """Give the lowest cost up to each epoch."""
    return np.minimum.accumulate([cost(objective, report[objective]) for report in trial.reports])


def _rung(epoch: int, so_far: Sequence[np.ndarray]) -> RungAudit:
    there, end = [values[epoch - 1] for values in so_far], [values[-1] for values in so_far]
    if len(so_far) < _FEWEST or len(set(there)) == 1 or len(set(end)) == 1:
        return RungAudit(epoch, len(so_far), None, None)
    from scipy.stats import spearmanr

    correlation = float(spearmanr(there, end).statistic)
    return RungAudit(epoch, len(so_far), correlation, spearman_interval(correlation, len(so_far)))


def spearman_interval(correlation: float, number: int) -> Interval:
    """Give the 95 % interval of a rank correlation, by Fisher's transformation with the variance of ranks.

    Args:
        correlation: Spearman's, -1 to 1.
        number: how many pairs it was estimated from; at least 4.

    Source:
        Bonett and Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations,
        Psychometrika 65, 2000: variance (1 + r²/2) / (n - 3).
    """
    # At ±1 the transformation has no value: an order without a fault counts as one with two neighbours exchanged.
    nearly = 1 - 12 / (number * (number**2 - 1))
    inside = min(max(correlation, -nearly), nearly)
    reach = _Z * sqrt((1 + inside**2 / 2) / (number - 3))
    low, high = tanh(atanh(inside) - reach), tanh(atanh(inside) + reach)
    return Interval(min(low, correlation), max(high, correlation))
