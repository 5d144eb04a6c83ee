"""From the scores of all pairs to the scores of each family: what an evaluation keeps."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.family_scores import Counts, FamilyScores, Floats32
from twinverify.verification.metrics import crossing, last_within, roc
from twinverify.verification.pairs import PairScores
from twinverify.verification.unrelated import UnrelatedBlock

#: Above so many families they are joined to so many groups, and a group is drawn as a whole: the pairs of families
#: grow with the square, and an interval from 64 groups is nearly as good as one from 200 families.
MOST_FAMILIES = 64

# Where unrelated pairs are counted: FARs in equal ratios for the tail of the curves, in equal steps for their body,
# and equal steps of the score for histograms.
_RATIOS, _SHARES, _STEPS = 160, 96, 64

# The FARs of unrelated people at which thresholds are exact: P2's, P4's and P5's.
_FARS = (1e-1, 1e-2, 1e-3, 1e-4)

# Of families with and of those without twins so many groups at least.
_LEAST_GROUPS = 8

Ints = NDArray[np.int64]


def by_family(
    scores: PairScores, unrelated: Iterable[UnrelatedBlock], families: Sequence[str], epoch: int = 0
) -> FamilyScores:
    """Keep the scores of an evaluation by family.

    Args:
        scores: the scores of all pairs.
        unrelated: the same unrelated pairs with their families: from `unrelated_blocks` or `matrix_blocks`.
        families: what the families 0 .. F - 1 are called. Only evaluations of families of the same names are compared
            pair by pair.
        epoch: which epoch of a training was evaluated.

    Returns:
        Same-person and twin scores as they are; unrelated ones counted for each pair of families between about 300
        thresholds. Those that decide the general EER and the TARs are among them: these figures stay exact.

    Raises:
        ValueError: a score is NaN or infinite.
    """
    for kind in ("same", "twin", "general"):
        _require_finite(getattr(scores, kind), kind)
    group, names = _groups(scores, families)
    thresholds = _thresholds(scores)
    return FamilyScores(
        same=scores.same.astype(np.float32, copy=False),
        twin=scores.twin.astype(np.float32, copy=False),
        same_family=_smallest(group[scores.same_family]),
        twin_family=_smallest(group[scores.twin_family]),
        thresholds=thresholds,
        general=_count(unrelated, group, len(names), thresholds),
        families=np.array(names, np.str_),
        epoch=epoch,
    )


def _require_finite(scores: NDArray[np.floating], kind: str) -> None:
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise ValueError(f"{kind} scores: {len(bad)} of {len(scores)} are NaN or infinite (first: number {bad[0]})")


def _groups(scores: PairScores, families: Sequence[str]) -> tuple[Ints, list[str]]:
    """Give the group of each family, and the groups' names; up to `MOST_FAMILIES` each family is its own."""
    if len(families) <= MOST_FAMILIES:
        return np.arange(len(families)), list(families)
    has_twins = np.zeros(len(families), bool)
    has_twins[scores.twin_family] = True
    group = np.empty(len(families), np.int64)
    names: list[str] = []
    for members, number in _shares(np.flatnonzero(has_twins), np.flatnonzero(~has_twins)):
        dealt = np.random.default_rng(0).permutation(members)  # the same for every evaluation of these families
        group[dealt] = len(names) + np.arange(len(dealt)) % number
        names += [f"{families[dealt[n]]} and {len(dealt[n::number]) - 1} more" for n in range(number)]
    return group, names


def _shares(twins: Ints, others: Ints) -> list[tuple[Ints, int]]:
    share = round(MOST_FAMILIES * len(twins) / (len(twins) + len(others)))
    share = min(max(share, min(_LEAST_GROUPS, len(twins))), MOST_FAMILIES - min(_LEAST_GROUPS, len(others)))
    return [(members, n) for members, n in ((twins, share), (others, MOST_FAMILIES - share)) if len(members)]


def _thresholds(scores: PairScores) -> Floats32:
    if not len(scores.general):
        return np.empty(0, np.float32)
    lowest, highest = scores.general.min(), scores.general.max()
    steps = np.linspace(lowest, highest, _STEPS, dtype=np.float32)
    if not len(scores.same):
        return np.unique(steps)
    curve = roc(scores.same, scores.general, negative_counts=scores.general_counts)
    shares = np.concatenate([np.geomspace(1 / curve.negatives, 1, _RATIOS), np.linspace(0, 1, _SHARES)])
    places = np.searchsorted(curve.fpr, shares, side="right") - 1
    # What decides the EER, and at each FAR the first score that is one too many and the place just above it.
    too_many = [last_within(curve, far) + 1 for far in _FARS]
    places = np.concatenate([places, [crossing(curve), crossing(curve) - 1], too_many])
    chosen = curve.thresholds[places.clip(1)].astype(np.float32)  # [0] is infinite
    above = np.nextafter(chosen[-len(_FARS) :], np.float32(np.inf))
    chosen = np.concatenate([chosen, above])
    return np.unique(np.concatenate([steps, chosen[chosen > lowest]]))


def _count(unrelated: Iterable[UnrelatedBlock], group: Ints, groups: int, thresholds: Floats32) -> Counts:
    """Give (groups (groups + 1) / 2, C) counts of unrelated pairs, by pair of groups and threshold."""
    code = np.zeros((groups, groups), np.int64)
    above = np.triu_indices(groups)
    code[above] = np.arange(len(above[0]))
    code = np.maximum(code, code.T) * len(thresholds)
    counts = np.zeros(len(above[0]) * len(thresholds), np.int64)
    for block in unrelated:
        bins = np.searchsorted(thresholds, block.scores, side="right") - 1
        counts += np.bincount(code[group[block.first], group[block.second]] + bins, minlength=len(counts))
    return _smallest(counts).reshape(len(above[0]), len(thresholds))


def _smallest(values: Ints) -> Counts:
    """Give non-negative integers in the smallest type that holds them."""
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
