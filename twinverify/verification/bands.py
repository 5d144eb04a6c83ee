"""The ROC with its band by family bootstrap; the DET curve is the same with FNR = 1 - TAR."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.intervals import effective, estimate
from twinverify.verification.objective import LEAST_BEYOND
from twinverify.verification.resampling import Resampling
from twinverify.verification.twin_curves import TwinCurves

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RocBand:
    """TARs of one protocol with their intervals.

    Attributes:
        far: (K,) rising.
        tar: (K,) the largest TAR at a FAR of at most `far`.
        low: (K,) lower end of the interval of each TAR; NaN where it is not estimable.
        high: (K,) its upper end.
    """

    far: Floats
    tar: Floats
    low: Floats
    high: Floats


def roc_band(
    scores: FamilyScores,
    resampling: Resampling,
    protocol: Literal["twin", "general"],
    points: int = 60,
    level: float = 0.95,
) -> RocBand:
    """Give the ROC of a protocol between the smallest FAR that is estimable and 1.

    Args:
        scores: what was kept of an evaluation.
        resampling: how often each family counts.
        protocol: against twins (P1), or against unrelated people (P2).
        points: how many FARs, in equal ratios.
        level: of the interval of each TAR, point by point; the whole curve leaves the band more often.

    Returns:
        The curve; empty where fewer than ten impostor pairs, or no same-person pairs, give none.
    """
    impostors = len(scores.twin) if protocol == "twin" else int(scores.general.sum())
    if impostors <= LEAST_BEYOND or not len(scores.same):
        return RocBand(*(np.empty(0) for _ in range(4)))
    # The end is not 1: a FAR of 1 is reached by accepting everything.
    fars = np.geomspace(LEAST_BEYOND / impostors, 1, points, endpoint=False)
    curves: TwinCurves | GeneralCurves
    if protocol == "twin":
        curves, pairs = TwinCurves(scores, resampling.weights), scores.twin_pairs
    else:
        curves, pairs = GeneralCurves(scores, resampling), scores.unrelated_pairs
    families = effective(scores.same_pairs, pairs)
    found = [estimate(curves.tar(float(far)), families, resampling, level) for far in fars]
    ends = np.array([one.interval or (np.nan, np.nan) for one in found])
    return RocBand(fars, np.array([one.value for one in found]), ends[:, 0], ends[:, 1])
