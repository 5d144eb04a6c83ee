"""ROC, EER, AUC and TAR at a FAR of two sets of similarity scores.

A comparison is accepted where its score reaches the threshold. TPR = TAR is the share of the positives (same person)
that is accepted, FPR = FAR that of the negatives (impostors), FNR = 1 - TPR. scikit-learn takes a second to load and is
loaded where it is called: a sweep's own process needs none of it before its trials have ended.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Floats = NDArray[np.float64]

# Fewer expected false accepts than this and a TAR at that FAR is decided by a handful of pairs.
FALSE_ACCEPTS_NEEDED = 10


@dataclass(frozen=True)
class Roc:
    """One ROC curve, every threshold of it, from nothing accepted to everything accepted.

    Attributes:
        fpr: false positive rate at each threshold, rising from 0 to 1.
        tpr: true positive rate at each threshold, rising from 0 to 1.
        thresholds: the thresholds, falling; the first is infinite.
        negatives: how many impostor pairs.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats
    negatives: float


@dataclass(frozen=True)
class OperatingPoint:
    """The threshold for a wanted FAR, and what it gives.

    Attributes:
        far: the realised FAR, at most the target.
        tar: the largest TAR at a FAR of at most the target.
        threshold: the highest threshold with that TAR; infinite where nothing can be accepted.
    """

    far: float
    tar: float
    threshold: float


def roc(
    positive: Scores,
    negative: Scores,
    negative_counts: NDArray[np.integer] | None = None,
) -> Roc:
    """Give the ROC curve of two sets of scores.

    Args:
        positive: scores of the same-person pairs; higher = more alike.
        negative: scores of the impostor pairs.
        negative_counts: how many pairs have each of the negative scores; None = one each.

    Returns:
        The curve at every distinct score. Equal scores are one point, so ties are neither won nor lost.

    Raises:
        ValueError: one of the two sets is empty, or a score is NaN or infinite.

    Source:
        scikit-learn's roc_curve, with the counts as sample weights.
    """
    negative_counts = np.ones(len(negative), np.int64) if negative_counts is None else negative_counts
    positives, negatives = len(positive), float(negative_counts.sum())
    if not positives or not negatives:
        raise ValueError(f"a ROC needs both kinds of pairs; there are {positives} positive, {negatives:g} negative")
    labels = np.repeat(np.array([1, 0], np.int8), [positives, len(negative)])
    scores = np.concatenate([positive, negative]).astype(np.float64)
    weights = np.concatenate([np.ones(positives), negative_counts])
    from sklearn.metrics import roc_curve

    fpr, tpr, thresholds = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    return Roc(fpr, tpr, thresholds, negatives)


def eer(curve: Roc) -> float:
    """Give the equal error rate: where FPR = FNR, by linear interpolation between the two nearest points.

    Returns:
        0 for perfectly separated scores, 0.5 for constant ones, 1 for perfectly reversed ones.
    """
    after = crossing(curve)
    before = after - 1
    above, below = (1 - curve.tpr[place] - curve.fpr[place] for place in (before, after))
    share = above / (above - below)
    return float(curve.fpr[before] + share * (curve.fpr[after] - curve.fpr[before]))


def crossing(curve: Roc) -> int:
    """Give the first place on the curve where FNR <= FPR."""
    return int(np.argmax(1 - curve.tpr - curve.fpr <= 0))  # FNR - FPR falls from 1 to -1


def auc(curve: Roc) -> float:
    """Give the area under the ROC curve: the chance that a positive scores above a negative, ties counted half."""
    from sklearn import metrics as sk

    return float(sk.auc(curve.fpr, curve.tpr))


def tar_at_far(curve: Roc, target: float) -> OperatingPoint | None:
    """Give the largest TAR whose FAR is at most `target`.

    Never the point with the *nearest* FAR: with few negatives that is another operating point altogether.

    Args:
        curve: the ROC curve.
        target: the wanted FAR, above 0 and below 1.

    Returns:
        The operating point; of several with that TAR the one with the smallest FAR. None where it is not estimable:
        where `target` x negatives is under 10, so that fewer than ten false accepts decide it.
    """
    if target * curve.negatives < FALSE_ACCEPTS_NEEDED * (1 - 1e-12):
        return None
    last = last_within(curve, target)
    first = int(np.searchsorted(curve.tpr, curve.tpr[last], side="left"))
    return OperatingPoint(float(curve.fpr[first]), float(curve.tpr[first]), float(curve.thresholds[first]))


def last_within(curve: Roc, target: float) -> int:
    """Give the last place on the curve whose FAR is at most `target`."""
    return int(np.searchsorted(curve.fpr, target, side="right")) - 1
