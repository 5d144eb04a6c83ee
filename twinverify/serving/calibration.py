"""From the scores of the validation to a threshold and to the false match rates of every score."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinverify.serving.facts import WANTED_FMRS, Calibration, OperatingPoint, Rate
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import Estimate, effective, estimate
from twinverify.verification.objective import LEAST_BEYOND
from twinverify.verification.resampling import Resampling

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]

# Of each kind of scores that are kept one by one so many stand in the table.
_POINTS: Final = 128


def operating_point(scores: FamilyScores, resampling: Resampling) -> OperatingPoint:
    """Set the threshold, and give the rates there with their intervals.

    P5, NIST style: the lowest threshold at which at most a wanted share of the unrelated pairs matches. With fewer than
    100 unrelated pairs no FMR is estimable; the threshold is then that of the EER, of unrelated people or of twins.

    Args:
        scores: of the validation; there are same-person pairs and others.
        resampling: of the same families.
    """
    unrelated = int(scores.general.sum())
    wanted = next((fmr for fmr in WANTED_FMRS if fmr * unrelated >= LEAST_BEYOND * (1 - 1e-12)), None)
    if wanted is not None:
        return _rates_at(_threshold_for(scores, wanted), scores, resampling).model_copy(update={"wanted_fmr": wanted})
    if unrelated:
        places, shares = scores.thresholds, _unrelated_shares(scores)
    else:
        places = np.unique(np.concatenate([scores.same, scores.twin]))
        shares = _shares(scores.twin, places)
    equal = int(np.argmax(1 - _shares(scores.same, places) >= shares))
    found = _rates_at(float(places[equal]), scores, resampling)
    return found.model_copy(update={"rule": "general_eer" if unrelated else "twin_eer"})


def calibration(scores: FamilyScores) -> Calibration:
    """Give the shares of the pairs of each kind that score at least so high, for some 500 scores."""
    kinds = [scores.same, scores.twin, scores.thresholds]
    points = np.concatenate([_spread(scores.same), _spread(scores.twin), scores.thresholds])
    ends = [np.nextafter(kind.max(), np.float32(np.inf)) for kind in kinds if len(kind)]  # nothing reaches these
    places = np.unique(np.concatenate([points, np.array(ends, np.float32)]))
    unrelated = twin = None
    if scores.general.sum():
        top = np.nextafter(scores.thresholds[-1:], np.float32(np.inf))
        known = np.concatenate([scores.thresholds, top])
        unrelated = np.interp(places, known, np.append(_unrelated_shares(scores), 0), left=1, right=0)
    if len(scores.twin):
        twin = _shares(scores.twin, places)
    return Calibration(
        score=places.tolist(),
        unrelated=None if unrelated is None else unrelated.tolist(),
        twin=None if twin is None else twin.tolist(),
        same=_shares(scores.same, places).tolist(),
    )


def share_reaching(table: Calibration, kind: str, score: float) -> float | None:
    """Give the share of a kind's validation pairs that score at least so high; None where there are none of the kind.

    Args:
        table: the calibration.
        kind: `unrelated`, `twin` or `same`.
        score: any; between two of the table's the share is interpolated.
    """
    shares: list[float] | None = getattr(table, kind)
    return None if shares is None else float(np.interp(score, table.score, shares, left=1, right=0))


def as_rate(found: Estimate) -> Rate:
    """Give an estimate as it is kept."""
    low, high = found.interval or (None, None)
    return Rate(value=found.value, low=low, high=high)


def _threshold_for(scores: FamilyScores, fmr: float) -> float:
    within = np.flatnonzero(_unrelated_shares(scores) <= fmr)
    if len(within):
        return float(scores.thresholds[within[0]])
    return float(np.nextafter(scores.thresholds[-1], np.float32(np.inf)))


def _rates_at(threshold: float, scores: FamilyScores, resampling: Resampling) -> OperatingPoint:
    families, weights = len(scores.families), resampling.weights
    same, twin = (
        np.bincount(family[values >= threshold], minlength=families)
        for values, family in ((scores.same, scores.same_family), (scores.twin, scores.twin_family))
    )
    matched = _rate(weights, same, scores.same_pairs)
    fnmr = estimate(1 - matched, effective(scores.same_pairs), resampling)
    twin_fmr = unrelated_fmr = None
    if len(scores.twin):
        twin_fmr = estimate(_rate(weights, twin, scores.twin_pairs), effective(scores.twin_pairs), resampling)
    if scores.general.sum():
        reaching = scores.general[:, scores.thresholds >= threshold].sum(axis=1, dtype=np.int64)
        rates = _rate(resampling.pair_weights, reaching, scores.general.sum(axis=1, dtype=np.int64))
        unrelated_fmr = estimate(rates, effective(scores.unrelated_pairs), resampling)
    return OperatingPoint(
        threshold=threshold,
        rule="unrelated_fmr",
        unrelated_fmr=unrelated_fmr and as_rate(unrelated_fmr),
        twin_fmr=twin_fmr and as_rate(twin_fmr),
        fnmr=as_rate(fnmr),
    )


def _rate(weights: NDArray[np.floating], some: NDArray[np.int64], all_of: NDArray[np.int64]) -> Floats:
    """Give the share of the pairs in each drawing (M,); NaN where a drawing has none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        shares: Floats = (weights @ some.astype(np.float64)) / (weights @ all_of.astype(np.float64))
    return shares


def _unrelated_shares(scores: FamilyScores) -> Floats:
    """Give the share of the unrelated pairs at or above each threshold (C,), falling from 1."""
    counts = scores.general.sum(axis=0, dtype=np.int64)
    shares: Floats = np.cumsum(counts[::-1])[::-1] / counts.sum()
    return shares


def _shares(values: Floats32, places: Floats32) -> Floats:
    """Give the share of some scores at or above each place."""
    below = np.searchsorted(np.sort(values), places, side="left")
    shares: Floats = 1 - below / max(1, len(values))
    return shares


def _spread(values: Floats32) -> Floats32:
    """Give some of the values, from the lowest to the highest."""
    if len(values) <= _POINTS:
        return values
    chosen: Floats32 = np.quantile(values, np.linspace(0, 1, _POINTS), method="lower")
    return chosen
