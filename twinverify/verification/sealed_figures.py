"""What a configuration does on families that it has never met: P1 to P5, the mean of several models of it.

The models differ in seed and split of their training; the test families are the same for all, so the family bootstrap
is paired between models and between configurations. The intervals tell how far other families would give other figures;
how far other seeds would is the sd over the models, beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.folds import fold_accuracy
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.intervals import (
    LEAST_FAMILIES,
    METRICS,
    Estimate,
    Interval,
    effective,
    estimate,
    estimates,
    spread,
)
from twinverify.verification.objective import LEAST_BEYOND
from twinverify.verification.operating_point import UNRELATED_FMRS, twin_operating_estimates
from twinverify.verification.pairs import PairScores
from twinverify.verification.resampling import Resampling

#: The FARs of P4; those that P2 has are its own.
P4_FARS: Final = (1e-1, 1e-2, 1e-3, 1e-4)
FOLDS: Final = 10
#: Half widths below it are none: figures from float32 sums differ in their last digits.
_EQUAL: Final = 1e-6


@dataclass(frozen=True)
class Figure:
    """A figure of a configuration.

    Attributes:
        value: the mean over its models.
        interval: 95 %, by family; None where it is not estimable.
        sd: over its models; None of a single one.
    """

    value: float
    interval: Interval | None
    sd: float | None


@dataclass(frozen=True)
class Accuracy:
    """P3 of a configuration: the means over its models.

    Attributes:
        mean: the mean accuracy of the folds.
        sd: the standard deviation over the folds.
        folds: how many.
    """

    mean: float
    sd: float
    folds: int


Estimates = Mapping[str, Estimate]


def model_estimates(scores: FamilyScores, resampling: Resampling) -> dict[str, Estimate]:
    """Give the figures of P1, P2, P4 and P5 of one model, as far as its test pairs give them.

    Args:
        scores: of the test families.
        resampling: the same for all models.

    Returns:
        `twin_eer`, …, `general_tar_at_far_0.0001`; `twin_fmr_at_fmr_0.001` and `fnmr_at_fmr_0.001` are the twins' FMR
        and the FNMR at the threshold for that FMR of unrelated people.
    """
    found = estimates(scores, resampling, METRICS) | _tails(scores, resampling)
    for fmr in sorted(UNRELATED_FMRS, reverse=True):
        rates = twin_operating_estimates(scores, resampling, fmr)
        if rates is not None:
            found |= {f"twin_fmr_at_fmr_{fmr:g}": rates[0], f"fnmr_at_fmr_{fmr:g}": rates[1]}
    return found


def figures(models: Sequence[Estimates], resampling: Resampling) -> dict[str, Figure]:
    """Give the mean figures of some models of one configuration.

    Args:
        models: the estimates of each, of the same test families.
        resampling: what they were made with.
    """
    return {name: _figure([each[name] for each in models], resampling) for name in _common(models)}


def gains(
    first: Sequence[Estimates], second: Sequence[Estimates], level: float = 0.95
) -> dict[str, tuple[float, Interval | None]]:
    """Give the mean figures of one configuration's models less another's, paired by family.

    Args:
        first: the estimates of the one's models.
        second: those of the other's.
        level: of the intervals.

    Returns:
        Each gain with its interval; None where that is not estimable: under three families, or no drawing differs.
    """
    found: dict[str, tuple[float, Interval | None]] = {}
    for name in _common([*first, *second]):
        one, other = [each[name] for each in first], [each[name] for each in second]
        value = float(np.mean([each.value for each in one]) - np.mean([each.value for each in other]))
        families = min(each.families for each in (*one, *other))
        drawn = np.mean([each.drawn for each in one], axis=0) - np.mean([each.drawn for each in other], axis=0)
        found[name] = value, None
        if families > LEAST_FAMILIES and np.isfinite(drawn).sum() > 1:
            half = spread(drawn, families, level)
            # Two that make no error in any drawing are equal on these families: no sign that they are on others.
            found[name] = value, Interval(value - half, value + half) if half > _EQUAL else None
    return found


def accuracy(models: Sequence[PairScores], folds: int = FOLDS) -> Accuracy | None:
    """Give P3 of some models of one configuration, against twins.

    Returns:
        None where fewer families than folds have pairs of both kinds, so without twins too.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    if any(len(np.intersect1d(scores.same_family, scores.twin_family)) < folds for scores in models):
        return None
    found = [fold_accuracy(each.same, each.twin, each.same_family, each.twin_family, folds) for each in models]
    return Accuracy(float(np.mean([each.mean for each in found])), float(np.mean([each.sd for each in found])), folds)


def _tails(scores: FamilyScores, resampling: Resampling) -> dict[str, Estimate]:
    unrelated = int(scores.general.sum())
    fars = [far for far in P4_FARS if far * unrelated >= LEAST_BEYOND * (1 - 1e-12)]
    if not fars or not len(scores.same):
        return {}
    curves, families = GeneralCurves(scores, resampling), effective(scores.same_pairs, scores.unrelated_pairs)
    return {f"general_tar_at_far_{far:g}": estimate(curves.tar(far), families, resampling) for far in fars}


def _figure(models: Sequence[Estimate], resampling: Resampling) -> Figure:
    values = np.array([each.value for each in models])
    measured: NDArray[np.float64] = np.concatenate([[values.mean()], np.mean([each.drawn for each in models], axis=0)])
    mean = estimate(measured, min(each.families for each in models), resampling)
    return Figure(mean.value, mean.interval, float(values.std(ddof=1)) if len(values) > 1 else None)


def _common(models: Sequence[Estimates]) -> list[str]:
    """Give the figures that all models have, in the order of the first."""
    all_have = reduce(set.intersection, (set(each) for each in models))
    return [name for name in models[0] if name in all_have]
