"""Which of several evaluations is better, drawing by drawing: the paired family bootstrap.

All evaluations see the same drawings. What is hard about a family is hard for all of them and drops out of their
difference, so differences are known far better than the values themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.intervals import LEAST_FAMILIES, Estimate, Interval, spread
from twinverify.verification.objective import higher_is_better

Floats = NDArray[np.float64]

# Metrics that differ by less are equal: those from float32 sums differ in their last digits.
_EQUAL = 1e-6


@dataclass(frozen=True)
class Difference:
    """One evaluation's metric less another's.

    Attributes:
        value: of the families as they are.
        interval: 95 %, paired; None where it is not estimable, as an `Estimate`'s: under three families, or the
            difference is the same in all drawings, which is no sign that it is certain.
        chance: share of the drawings in which the first is the better one; equal ones count half.
    """

    value: float
    interval: Interval | None
    chance: float


def difference(metric: str, first: Estimate, second: Estimate, level: float = 0.95) -> Difference:
    """Compare two evaluations of the same pairs.

    Args:
        metric: the metric's name; it says whether higher or lower is better.
        first: the one evaluation.
        second: the other one.
        level: what share of the intervals shall cover the true difference.

    Raises:
        ValueError: the two are not of the same drawings, so nothing is paired.
        UserError: the metric ranks nothing.
    """
    costs = _costs(metric, [first, second])
    chance = float(np.mean(_won(costs)[0]))
    value, drawn = first.value - second.value, first.drawn - second.drawn
    families = min(first.families, second.families)
    if families <= LEAST_FAMILIES:
        return Difference(value, None, chance)
    half = spread(drawn, families, level)
    return Difference(value, Interval(value - half, value + half) if half > _EQUAL else None, chance)


def ties(metric: str, estimates: Sequence[Estimate], level: float = 0.95) -> list[bool]:
    """Tell which evaluations cannot be told from the best: the interval of the difference contains 0.

    The best one is a tie with itself. Each is compared with the best alone: with many evaluations the best owes part
    of its place to luck, and the true best is more likely among the ties than at the top.

    Args:
        metric: the metric's name.
        estimates: one an evaluation, all of the same drawings.
        level: of the intervals.

    Returns:
        One answer an evaluation. Where no interval is estimable nothing can be told from anything: all are ties.

    Raises:
        ValueError: not all are of the same drawings.
        UserError: the metric ranks nothing.
    """
    if not estimates:
        return []
    _costs(metric, estimates)
    sign = -1 if higher_is_better(metric) else 1
    best = min(estimates, key=lambda estimate: sign * estimate.value)
    intervals = [difference(metric, estimate, best, level).interval for estimate in estimates]
    return [interval is None or (interval.low <= _EQUAL and interval.high >= -_EQUAL) for interval in intervals]


def chances_of_best(metric: str, estimates: Sequence[Estimate]) -> Floats:
    """Give each evaluation's share of the drawings in which it is the best (K,); they add up to 1.

    Of several equal best ones each gets its part. A drawing in which the metric does not exist counts for nobody.

    Args:
        metric: the metric's name.
        estimates: one an evaluation, all of the same drawings.

    Raises:
        ValueError: not all are of the same drawings.
        UserError: the metric ranks nothing.
    """
    if not estimates:
        return np.empty(0)
    chances: Floats = _won(_costs(metric, estimates)).mean(axis=1)
    return chances


def _costs(metric: str, estimates: Sequence[Estimate]) -> Floats:
    """Give (K, rounds) costs, smaller is better, of the drawings in which all evaluations have the metric."""
    if len({estimate.resampling for estimate in estimates}) > 1:
        raise ValueError("evaluations of other families, or in other drawings, cannot be compared pair by pair")
    drawn = np.stack([estimate.drawn for estimate in estimates])
    costs: Floats = -drawn if higher_is_better(metric) else drawn
    return costs[:, np.isfinite(drawn).all(axis=0)]


def _won(costs: Floats) -> Floats:
    """Give (K, rounds) how much of each drawing's victory each evaluation has."""
    is_best = costs <= costs.min(axis=0) + _EQUAL
    shares: Floats = is_best / is_best.sum(axis=0)
    return shares
