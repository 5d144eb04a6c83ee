"""P3, LFW style: accuracy in folds that share no family, each judged by a threshold from the others."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinverify.errors import counted

Scores = NDArray[np.floating]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracies of disjoint folds.

    Attributes:
        accuracies: (K,) share of right decisions in each fold.
        thresholds: (K,) the threshold of each fold, from all the others.
        pairs: (K,) how many pairs each fold has, half of them same-person pairs.
    """

    accuracies: Floats
    thresholds: Floats
    pairs: Ints

    @property
    def mean(self) -> float:
        """The mean accuracy; LFW's estimate."""
        return float(self.accuracies.mean())

    @property
    def sd(self) -> float:
        """The standard deviation over the folds, K - 1 in the denominator."""
        return float(self.accuracies.std(ddof=1))

    @property
    def standard_error(self) -> float:
        """LFW's standard error of the mean, sd / sqrt(K), as if the folds knew nothing of each other."""
        return self.sd / float(np.sqrt(len(self.accuracies)))


def fold_accuracy(
    same: Scores, impostor: Scores, same_family: Ints, impostor_family: Ints, folds: int = 10, seed: int = 0
) -> FoldAccuracy:
    """Judge balanced pairs fold by fold, LFW style.

    Families are dealt to the folds, so that no person and no twin is in two of them; in each fold as many same-person
    as impostor pairs are drawn, as many as there are of the rarer kind. Each fold is judged with the threshold that
    makes the fewest errors in all the others.

    Args:
        same: (S,) scores of the same-person pairs; higher = more alike.
        impostor: (N,) scores of the impostor pairs: twins (P1's pairs) or unrelated people (P2's).
        same_family: (S,) int, the family of each same-person pair.
        impostor_family: (N,) int, the family of each twin pair; or (N, 2) int, the two families of each unrelated pair.
            An unrelated pair whose families are in two folds is in none.
        folds: how many.
        seed: of the dealing and drawing; the same seed gives the same pairs, whatever the scores.

    Returns:
        Accuracy, threshold and number of pairs of each fold.

    Raises:
        ValueError: a score is NaN or infinite, the lengths do not fit, or there are too few families for a pair of both
            kinds in each fold.

    Source:
        G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild", University of Massachusetts,
        Technical Report 07-49, 2007, View 2: ten folds of people, balanced pairs, mean accuracy. The threshold is the
        middle of the widest gap between scores that makes the fewest errors, which the report leaves open.
    """
    of = impostor_family[:, None] if impostor_family.ndim == 1 else impostor_family  # (N, 1) or (N, 2)
    _check(same, impostor, same_family, of, folds)
    rng = np.random.default_rng(seed)
    fold = _deal(same_family, of, folds, rng)
    same_fold, ends = fold[same_family], fold[of]
    impostor_fold = np.where((ends == ends[:, :1]).all(axis=1), ends[:, 0], -1)
    chosen = [_balanced(np.flatnonzero(same_fold == k), np.flatnonzero(impostor_fold == k), rng) for k in range(folds)]
    _check_folds(chosen, of.shape[1])
    positives = [same[places].astype(np.float64) for places, _ in chosen]
    negatives = [impostor[places].astype(np.float64) for _, places in chosen]
    thresholds = [
        _threshold(*(np.concatenate(kind[:k] + kind[k + 1 :]) for kind in (positives, negatives))) for k in range(folds)
    ]
    right = [
        np.concatenate([positive >= threshold, negative < threshold]).mean()
        for positive, negative, threshold in zip(positives, negatives, thresholds, strict=True)
    ]
    return FoldAccuracy(np.array(right), np.array(thresholds), np.array([2 * len(kind) for kind in positives]))


def _deal(same_family: Ints, impostor_family: Ints, folds: int, rng: np.random.Generator) -> Ints:
    """Give the fold of each family: shuffled and dealt in turn, those with both kinds of pairs first."""
    families = int(max(same_family.max(), impostor_family.max())) + 1
    is_same, is_impostor = np.zeros((2, families), bool)
    is_same[same_family], is_impostor[impostor_family] = True, True
    order = rng.permutation(families)
    order = order[np.argsort(-1 * is_same[order] - is_impostor[order], kind="stable")]
    fold = np.empty(families, np.int64)
    fold[order] = np.arange(families) % folds
    return fold


def _balanced(same: Ints, impostor: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw as many places of the one kind as of the other."""
    number = min(len(same), len(impostor))
    return rng.permutation(same)[:number], rng.permutation(impostor)[:number]


def _threshold(positive: Floats, negative: Floats) -> float:
    """Give the threshold with the fewest errors: of several the middle of the widest gap between two scores."""
    scores = np.unique(np.concatenate([positive, negative]))
    accepted_from = np.append(scores, np.nextafter(scores[-1], np.inf))
    missed = np.searchsorted(np.sort(positive), accepted_from)
    errors = missed + len(negative) - np.searchsorted(np.sort(negative), accepted_from)
    gap_below = np.concatenate([[0], np.diff(accepted_from)])
    best = np.flatnonzero(errors == errors.min())
    widest = best[np.argmax(gap_below[best])]
    return float(accepted_from[widest] - gap_below[widest] / 2)


def _check(same: Scores, impostor: Scores, same_family: Ints, impostor_family: Ints, folds: int) -> None:
    if folds < 2:
        raise ValueError(f"folds {folds}: two at least, for one gives the other its threshold")
    for kind, scores, family in (("same", same, same_family), ("impostor", impostor, impostor_family)):
        if len(scores) != len(family):
            raise ValueError(
                f"{kind}: {len(scores)} scores and the families of {len(family)} pairs; one each is expected"
            )
        if not len(scores):
            raise ValueError(f"{kind}: no pairs")
        if bad := int((~np.isfinite(scores)).sum()):
            raise ValueError(f"{kind}: {bad} of {len(scores)} scores are NaN or infinite")
    if impostor_family.shape[1] > 2:
        raise ValueError(f"impostor_family of shape {impostor_family.shape}: one family a pair is expected, or two")


def _check_folds(chosen: list[tuple[Ints, Ints]], ends: int) -> None:
    poor = sum(not len(same) for same, _ in chosen)
    if poor:
        need = "a family with pairs of both kinds" if ends == 1 else "two families with same-person pairs"
        raise ValueError(
            f"{poor} of {counted(len(chosen), 'fold')} without pairs of both kinds: each needs {need};"
            " take fewer folds or more families"
        )
