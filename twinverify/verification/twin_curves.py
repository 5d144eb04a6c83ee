"""The ROC of the twin protocol in all drawings at once, every distinct score a threshold."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import Counts, FamilyScores, Floats32

Floats = NDArray[np.float64]
Floating = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

#: Above so many distinct scores neighbours count as equal: an EER moves by some 2 / EXACT_SCORES at most.
EXACT_SCORES = 16_384

# Sums of whole numbers below this are exact in float32, which takes half the time of float64.
_EXACT_FLOAT32 = 2**24


class TwinCurves:
    """Same-person against twin pairs, each counted as often as its family.

    No curve is written out: what is wanted lies at one threshold of it, found by bisection in all M drawings side by
    side. Threshold n of 0 .. N accepts the distinct scores from the n-th up; N accepts nothing.

    Args:
        scores: the scores of an evaluation, with twins.
        weights: (M, F) how often each family counts in each drawing.
    """

    def __init__(self, scores: FamilyScores, weights: Floats) -> None:
        distinct = _distinct(scores.same, scores.twin)
        self._positives, self._negatives = weights @ scores.same_pairs, weights @ scores.twin_pairs
        kind: type[np.floating[Any]] = (
            np.float32 if max(self._positives.max(), self._negatives.max()) < _EXACT_FLOAT32 else np.float64
        )
        self._weights = weights.astype(kind)
        self._same = _counts(scores.same, scores.same_family, distinct, scores).astype(kind)  # (N, F)
        self._twin = _counts(scores.twin, scores.twin_family, distinct, scores).astype(kind)
        self._below_same, self._below_twin = _below(self._same), _below(self._twin)  # (N + 1, F)

    def eer(self) -> Floats:
        """Give the EER of each drawing (M,), by linear interpolation; NaN where a drawing has no pairs of a kind."""
        before = self._first(lambda threshold: 1 - self._tpr(threshold) > self._fpr(threshold))
        after = before - 1
        fpr, fpr_after = self._fpr(before), self._fpr(after)
        above, below = 1 - self._tpr(before) - fpr, 1 - self._tpr(after) - fpr_after
        found: Floats = fpr + above / (above - below) * (fpr_after - fpr)
        return found

    def auc(self) -> Floats:
        """Give the AUC of each drawing (M,): won comparisons of each pair of families, ties half."""
        won = self._same.T @ (self._below_twin[:-1] + self._twin / 2)  # (F, F)
        wins = np.einsum("mf,mf->m", self._weights @ won, self._weights, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = wins / (self._positives * self._negatives)
        return found

    def tar(self, far: float) -> Floats:
        """Give the largest TAR of each drawing (M,) whose FAR is at most `far`."""
        return self._tpr(self._first(lambda threshold: self._fpr(threshold) <= far))

    def _first(self, holds: Callable[[Ints], NDArray[np.bool_]]) -> Ints:
        """Give for each drawing the lowest threshold where a condition holds that does at N and not at 0."""
        low = np.zeros(len(self._weights), np.int64)
        high = np.full(len(self._weights), len(self._same))
        while (high - low).max() > 1:
            middle = (low + high) // 2
            found = holds(middle)
            low, high = np.where(found, low, middle), np.where(found, middle, high)
        return high

    def _tpr(self, threshold: Ints) -> Floats:
        return self._accepted(self._below_same, threshold, self._positives)

    def _fpr(self, threshold: Ints) -> Floats:
        return self._accepted(self._below_twin, threshold, self._negatives)

    def _accepted(self, below: Floating, threshold: Ints, total: Floats) -> Floats:
        # Counts are subtracted, not shares: 1 - 0.99 is above 0.01, and a FAR of 0.01 would not be allowed.
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (total - np.einsum("mf,mf->m", self._weights, below[threshold])) / total
        return found


def _distinct(same: Floats32, twin: Floats32) -> Floats32:
    both = np.unique(np.concatenate([same, twin]))
    if len(both) <= EXACT_SCORES:
        return both
    levels = np.linspace(0, 1, EXACT_SCORES // 2)
    parts = [np.quantile(kind, levels, method="lower") for kind in (same, twin)]
    return np.unique(np.concatenate([both[:1], *parts]))


def _counts(values: Floats32, family: Counts, distinct: Floats32, scores: FamilyScores) -> Ints:
    families = len(scores.families)
    place = (np.searchsorted(distinct, values, side="right") - 1) * families + family
    return np.bincount(place, minlength=len(distinct) * families).reshape(-1, families)


def _below(counts: Floating) -> Floating:
    below = np.zeros((len(counts) + 1, counts.shape[1]), counts.dtype)
    np.cumsum(counts, axis=0, out=below[1:])
    return below
