"""P5, NIST style: a threshold set on unrelated people, and what it does to twins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.intervals import Estimate, effective, estimate
from twinverify.verification.objective import LEAST_BEYOND
from twinverify.verification.resampling import Resampling

Scores = NDArray[np.floating]

#: The FMRs on unrelated people that are reported, the strictest one first: NIST sets the threshold at 1e-4.
UNRELATED_FMRS = (1e-4, 1e-3, 1e-2)


@dataclass(frozen=True)
class TwinOperatingPoint:
    """What a threshold that is right for unrelated people does to twins.

    Attributes:
        threshold: pairs that reach it are taken for the same person.
        unrelated_fmr: the realised false match rate of unrelated people, at most the wanted one.
        twin_fmr: the false match rate of twins: which share of their pairs is taken for one person.
        fnmr: the false non-match rate: which share of the same-person pairs is not.
    """

    threshold: float
    unrelated_fmr: float
    twin_fmr: float
    fnmr: float


def twin_operating_point(
    same: Scores, twin: Scores, unrelated: Scores, fmr: float, unrelated_counts: NDArray[np.integer] | None = None
) -> TwinOperatingPoint | None:
    """Set the threshold by unrelated people alone, and judge twins and same-person pairs by it.

    Args:
        same: (S,) scores of the same-person pairs; higher = more alike.
        twin: (T,) scores of the twin pairs.
        unrelated: (G,) scores of pairs of unrelated people.
        fmr: the wanted false match rate of unrelated people, above 0 and below 1.
        unrelated_counts: (G,) how many pairs have each of the unrelated scores; None = one each.

    Returns:
        The lowest threshold at which at most the share `fmr` of the unrelated pairs matches, and the rates there. None
        where it is not estimable: `fmr` x unrelated pairs is under 10, so that a handful of pairs decides it.

    Raises:
        ValueError: `fmr` is no share, there are no same-person or no twin pairs, or a score is NaN or infinite.

    Source:
        NIST IR 8439, FRVT Part 9A: Face Recognition Verification Accuracy on Distinguishing Twins, 2022; also
        pages.nist.gov/frvt/html/frvt_twins_demonstration.html. There the threshold is set on mugshots of unrelated
        people, FMR 1e-4; here on the unrelated people of the same families' set.
    """
    if not 0 < fmr < 1:
        raise ValueError(f"fmr {fmr:g}: a share is expected, above 0 and below 1")
    for name, scores in (("same", same), ("twin", twin), ("unrelated", unrelated)):
        if not len(scores) and name != "unrelated":
            raise ValueError(f"{name}: no pairs; the rates of P5 need some")
        if not np.isfinite(scores).all():
            raise ValueError(f"{name}: {int((~np.isfinite(scores)).sum())} of {len(scores)} scores are NaN or infinite")
    counts = np.ones(len(unrelated), np.int64) if unrelated_counts is None else unrelated_counts
    pairs = int(counts.sum())
    if fmr * pairs < LEAST_BEYOND * (1 - 1e-12):
        return None
    return _judged(same, twin, unrelated, counts, _threshold(unrelated, counts, fmr))


def twin_operating_estimates(
    scores: FamilyScores, resampling: Resampling, fmr: float, level: float = 0.95
) -> tuple[Estimate, Estimate] | None:
    """Give the twins' FMR and the FNMR of P5 with their intervals; in each drawing the threshold is set anew.

    Args:
        scores: what was kept of an evaluation.
        resampling: how often each family counts.
        fmr: the wanted false match rate of unrelated people.
        level: of the intervals.

    Returns:
        (twin FMR, FNMR); None where it is not estimable, or a kind of pairs is missing.
    """
    if fmr * scores.general.sum() < LEAST_BEYOND * (1 - 1e-12) or not (len(scores.same) and len(scores.twin)):
        return None
    curves = GeneralCurves(scores, resampling)
    twins, same = (
        effective(scores.twin_pairs, scores.unrelated_pairs),
        effective(scores.same_pairs, scores.unrelated_pairs),
    )
    return (
        estimate(curves.twin_far(fmr), twins, resampling, level),
        estimate(1 - curves.tar(fmr), same, resampling, level),
    )


def _threshold(unrelated: Scores, counts: NDArray[np.integer], fmr: float) -> float:
    """Give the lowest threshold with at most the share `fmr` at or above it: just above the first score too many."""
    order = np.argsort(unrelated, kind="stable")[::-1]
    matching = np.cumsum(counts[order])
    first = int(np.searchsorted(matching / matching[-1], fmr, side="right"))
    return float(np.nextafter(unrelated[order[first]], np.array(np.inf, unrelated.dtype)))


def _judged(
    same: Scores, twin: Scores, unrelated: Scores, counts: NDArray[np.integer], threshold: float
) -> TwinOperatingPoint:
    # Compared as float64: a threshold between two float32 numbers would be rounded onto one of them.
    matches = [scores.astype(np.float64) >= threshold for scores in (same, twin, unrelated)]
    return TwinOperatingPoint(
        threshold=threshold,
        unrelated_fmr=float(counts[matches[2]].sum() / counts.sum()),
        twin_fmr=float(matches[1].mean()),
        fnmr=1 - float(matches[0].mean()),
    )
