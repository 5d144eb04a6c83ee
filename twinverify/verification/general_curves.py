"""The ROC of the general protocol in all drawings at once, at the thresholds where unrelated pairs were counted."""

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import Counts, FamilyScores, Floats32
from twinverify.verification.resampling import Resampling

Floats = NDArray[np.float64]

# Shares are quotients of float32 sums: a FAR that is the wanted one may be found this much above it.
_ROUNDING = 1 + 1e-6


class GeneralCurves:
    """Same-person against unrelated pairs, a pair of families counted as often as the two together.

    Args:
        scores: the scores of an evaluation, with unrelated people.
        resampling: how often each family counts in each of M drawings; the first is the families as they are.
    """

    def __init__(self, scores: FamilyScores, resampling: Resampling) -> None:
        self._scores, self._resampling = scores, resampling
        self._fpr = _shares(resampling.pair_weights, _from_here_up(scores.general))  # (M, C + 1), falling to 0
        self._tpr = self._reaching(scores.same, scores.same_family)

    def eer(self) -> Floats:
        """Give the EER of each drawing (M,), by linear interpolation; NaN where a drawing has no pairs of a kind."""
        excess = 1 - self._tpr - self._fpr  # FNR - FPR, rising with the threshold to 1
        before = np.clip((excess <= 0).sum(axis=1), 1, excess.shape[1] - 1)
        above, below, fpr, fpr_after = (
            _at(of, place).astype(np.float64)
            for of, place in ((excess, before), (excess, before - 1), (self._fpr, before), (self._fpr, before - 1))
        )
        return fpr + above / (above - below) * (fpr_after - fpr)

    def auc(self) -> Floats:
        """Give the AUC of each drawing (M,), by trapezoids between the thresholds."""
        steps, heights = -np.diff(self._fpr, axis=1), self._tpr[:, 1:] + self._tpr[:, :-1]
        area: Floats = np.einsum("mc,mc->m", steps, heights, dtype=np.float64) / 2
        return area

    def tar(self, far: float) -> Floats:
        """Give the TAR of each drawing (M,) at a FAR; of the first, at P2's FARs, exactly as `metrics.tar_at_far`."""
        return self._at_far(self._tpr, far)

    def twin_far(self, far: float) -> Floats:
        """Give the share of twin pairs accepted (M,) at the threshold for a FAR of unrelated people."""
        return self._at_far(self._reaching(self._scores.twin, self._scores.twin_family), far)

    def _reaching(self, values: Floats32, family: Counts) -> Floats32:
        """Give the share of some scores at or above each threshold in each drawing: (M, C + 1), falling to 0."""
        families, thresholds = len(self._scores.families), self._scores.thresholds
        bins = len(thresholds) + 1
        place = np.searchsorted(thresholds, values, side="right")
        counts = np.bincount(family * np.int64(bins) + place, minlength=families * bins).reshape(families, bins)
        shares = _shares(self._resampling.weights32, _from_here_up(counts))
        return shares[:, 1:]

    def _at_far(self, shares: Floats32, far: float) -> Floats:
        place = np.argmax(self._fpr <= far * _ROUNDING, axis=1).clip(1)
        fpr, fpr_above, share, share_above = (
            _at(of, at).astype(np.float64) for of in (self._fpr, shares) for at in (place, place - 1)
        )
        # Between two thresholds: the one alone would lose up to a step of the FAR.
        with np.errstate(invalid="ignore", divide="ignore"):  # a drawing without such pairs: NaN
            between = share + (far - fpr) / (fpr_above - fpr) * (share_above - share)
        if self._decides(int(place[0])):
            between[0] = share[0]
        return between

    def _decides(self, place: int) -> bool:
        """Tell whether no score lies between a threshold and the one below: there is nothing to interpolate."""
        thresholds = self._scores.thresholds
        return place == len(thresholds) or thresholds[place] <= np.nextafter(thresholds[place - 1], np.float32(np.inf))


def _from_here_up(counts: NDArray[np.integer]) -> Floats32:
    """Give (K, C + 1) sums of counts (K, C) from each threshold up, and a last 0."""
    sums = np.zeros((len(counts), counts.shape[1] + 1), np.float32)
    sums[:, :-1] = np.cumsum(counts[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    return sums


def _shares(weights: Floats32, sums: Floats32) -> Floats32:
    found = weights @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        found /= found[:, :1].copy()
    return found


def _at(values: Floats32, place: NDArray[np.integer]) -> Floats32:
    return np.take_along_axis(values, place[:, None], axis=1)[:, 0]
