"""Verification metrics with their uncertainty: the family bootstrap.

The pairs of a family share its people and their likeness, so the family is what a repetition would draw anew, and what
is drawn here. Pairs drawn one by one are taken for independent, and their intervals are far too narrow.

So are percentiles of the drawings where families are few. The interval is a t-test's on the logit scale: the sd of the
drawn values, times sqrt(F / (F - 1)), times the t quantile for F - 1 degrees of freedom, with F the effective number of
families. `benchmarks/coverage.py` shows how often it covers the truth, beside percentiles and pairs: 92 to 97 % for
13 to 29 families, pairs a third; but 83 to 88 % for the twins' TAR at a FAR of 0.01, which the likest families of the
population decide, and a small sample has none of them.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinverify.errors import did_you_mean
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.objective import RANKING_METRICS, least_negatives
from twinverify.verification.resampling import Resampling
from twinverify.verification.twin_curves import TwinCurves

Floats = NDArray[np.float64]

#: What `estimates` gives, the ranking metrics without prefix: `twin_eer`, `twin_tar_at_far_0.01`, `general_auc`, ….
METRICS: Final = tuple(name.removeprefix("val/") for name in RANKING_METRICS)

#: With fewer effective families than these there is no interval.
LEAST_FAMILIES: Final = 2

# Rates nearer to 0 or 1 count as this near: their logits have no end.
_NEAREST = 1e-4

# Logits that differ by less are equal: figures from float32 sums differ in their last digits.
_EQUAL = 1e-6


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """One metric of one evaluation.

    Attributes:
        value: of the families as they are.
        interval: 95 %; None where it is not estimable: under three families, or no drawing differs from another.
        drawn: (rounds,) float64, the metric in each drawing of the families.
        families: the effective number of families, at most their number: families with many pairs weigh more.
        resampling: which drawings; estimates of the same are compared drawing by drawing.
    """

    value: float
    interval: Interval | None
    drawn: Floats = field(repr=False)
    families: float
    resampling: str


def estimates(
    scores: FamilyScores, resampling: Resampling, metrics: Collection[str] = METRICS, level: float = 0.95
) -> dict[str, Estimate]:
    """Give metrics of an evaluation with their confidence intervals by family bootstrap.

    Args:
        scores: what was kept of the evaluation.
        resampling: how often each family counts; the same for all evaluations that are to be compared.
        metrics: which of `METRICS`.
        level: what share of the intervals shall cover the truth.

    Returns:
        The estimates by name. What the pairs do not give is left out, as in `verification_metrics`.

    Raises:
        ValueError: there is no such metric, or the resampling is of other families.
    """
    for name in metrics:
        if name not in METRICS:
            raise ValueError(f"metric {name}: has no interval; {did_you_mean(name, METRICS)}")
    if resampling.key != scores.key:
        raise ValueError("these scores are of other families, or of other pairs, than the resampling")
    found: dict[str, Estimate] = {}
    if not len(scores.same):
        return found
    unrelated = int(scores.general.sum())
    twin = [name for name in metrics if name.startswith("twin_") and len(scores.twin) >= least_negatives(name)]
    general = [name for name in metrics if name.startswith("general_") and unrelated >= least_negatives(name)]
    if twin:
        families, curves = effective(scores.same_pairs, scores.twin_pairs), TwinCurves(scores, resampling.weights)
        found |= {name: estimate(_measured(curves, name), families, resampling, level) for name in twin}
    if general:
        families, others = effective(scores.same_pairs, scores.unrelated_pairs), GeneralCurves(scores, resampling)
        found |= {name: estimate(_measured(others, name), families, resampling, level) for name in general}
    return found


def estimate(measured: Floats, families: float, resampling: Resampling, level: float = 0.95) -> Estimate:
    """Give a rate with its interval.

    Args:
        measured: (M,) the rate in each drawing of the resampling, first of the families as they are.
        families: their effective number.
        resampling: the drawings.
        level: of the interval.
    """
    value, drawn = float(measured[0]), measured[1:]
    return Estimate(value, _interval(value, drawn, families, level), drawn, families, resampling.name)


def effective(*pairs: NDArray[np.int64]) -> float:
    """Give the effective number of families (Kish): (sum n)^2 / sum n^2.

    Args:
        pairs: (F,) int, how many pairs n each family has, for each kind of pairs; the kind with the fewest counts.
    """
    return min(float(n.sum() ** 2 / (n.astype(np.float64) ** 2).sum()) for n in pairs)


def spread(drawn: Floats, families: float, level: float = 0.95) -> float:
    """Give half the width of a confidence interval: the sd of the drawn values, corrected for few families."""
    from scipy.stats import t as student  # a second

    sd = float(np.std(drawn[np.isfinite(drawn)], ddof=1)) * np.sqrt(families / (families - 1))
    return float(sd * student.ppf((1 + level) / 2, families - 1))


def _measured(curves: TwinCurves | GeneralCurves, name: str) -> Floats:
    _, is_tar, far = name.partition("_tar_at_far_")
    if is_tar:
        return curves.tar(float(far))
    return curves.auc() if name.endswith("_auc") else curves.eer()


def _interval(value: float, drawn: Floats, families: float, level: float) -> Interval | None:
    from scipy.special import expit

    if families <= LEAST_FAMILIES:
        return None
    middle = _logit(np.array(value))
    half = spread(_logit(drawn), families, level)
    if not half > _EQUAL:
        return None  # an EER of 0 stays 0 however often the families are drawn: no sign that it is certain
    low, high = expit(middle - half), expit(middle + half)
    return Interval(min(float(low), value), max(float(high), value))


def _logit(rates: Floats) -> Floats:
    from scipy.special import logit

    logits: Floats = logit(rates.clip(_NEAREST, 1 - _NEAREST))
    return logits
