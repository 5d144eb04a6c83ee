"""The scores of all image pairs of a set, from one embedding an image: same person, twins, unrelated people.

Memory: the embeddings as they are given, and what one block of the score matrix would take; no second copy of either.
The unrelated pairs grow with the square of the images (5e9 for 100,000), so above `EXACT_GENERAL` pairs they are kept
as a histogram.
"""

from dataclasses import dataclass

import numpy as np

from twinverify.verification.cosines import (
    PLACES,
    RESOLUTION,
    BadEmbeddingsError,
    Floats32,
    Ints,
    Unit,
    cosines,
    to_scores,
)
from twinverify.verification.unrelated import unrelated_places

__all__ = ["EXACT_GENERAL", "RESOLUTION", "BadEmbeddingsError", "PairScores", "pair_scores"]

# Up to so many unrelated pairs each score is kept; above, one count for each distinct score.
EXACT_GENERAL = 2_000_000


@dataclass(frozen=True)
class PairScores:
    """Cosines of all image pairs of a set, by kind; byte-identical pairs are left out.

    Attributes:
        same: (S,) float32, pairs of images of one person.
        twin: (T,) float32, all image pairs between twins.
        general: (G,) float32, pairs of images of people of different families; each score once where counts are given.
        same_family: (S,) int64, the family of each same-person pair.
        twin_family: (T,) int64, the family of each twin pair.
        general_counts: (G,) int64, how many pairs have each general score; None = one each.
    """

    same: Floats32
    twin: Floats32
    general: Floats32
    same_family: Ints
    twin_family: Ints
    general_counts: Ints | None = None


def pair_scores(
    embeddings: Floats32,
    person: Ints,
    family: Ints,
    twin_pairs: Ints,
    content: Ints,
    block: int = 4096,
) -> PairScores:
    """Score all image pairs by the cosine of their embeddings, rounded to `RESOLUTION`.

    Args:
        embeddings: (B, E) float, one embedding an image; any length but zero.
        person: (B,) int, the person of each image, 0 .. P - 1.
        family: (B,) int, the family of each image.
        twin_pairs: (K, 2) int, person numbers of the twins.
        content: (B,) int, equal for byte-identical images.
        block: side of a block of the score matrix, images.

    Returns:
        The scores. Up to `EXACT_GENERAL` unrelated pairs one score a pair, above that a histogram over the same grid,
        which gives the same ROC.

    Raises:
        BadEmbeddingsError: an embedding is not finite or has length zero: its cosine would be a made-up number.
    """
    unit = Unit(embeddings, block)
    general, counts = _general(unit, family, content, block)  # first: it needs the most room
    same = _pairs_within(person)
    twin = _pairs_between(person, twin_pairs)
    different = [content[first] != content[second] for first, second in (same, twin)]
    same, twin = ((first[keep], second[keep]) for (first, second), keep in zip((same, twin), different, strict=True))
    return PairScores(
        same=cosines(unit, *same),
        twin=cosines(unit, *twin),
        general=general,
        same_family=family[same[0]],
        twin_family=family[twin[0]],
        general_counts=counts,
    )


def _pairs_within(person: Ints) -> tuple[Ints, Ints]:
    """Give the images of each same-person pair, each unordered pair once."""
    order = np.argsort(person, kind="stable")
    _, start, size = np.unique(person[order], return_index=True, return_counts=True)
    rank = np.arange(len(person)) - np.repeat(start, size)
    partners = np.repeat(size, size) - 1 - rank  # images of the same person further on in the order
    first = np.repeat(np.arange(len(person)), partners)
    second = first + 1 + _count_up(partners)
    return order[first], order[second]


def _pairs_between(person: Ints, twin_pairs: Ints) -> tuple[Ints, Ints]:
    """Give the images of each pair between twins: every image of the one with every image of the other."""
    order = np.argsort(person, kind="stable")
    low = np.searchsorted(person[order], twin_pairs, side="left").reshape(-1, 2)  # (K, 2)
    high = np.searchsorted(person[order], twin_pairs, side="right").reshape(-1, 2)
    size = high - low
    pairs = size[:, 0] * size[:, 1]
    of = np.repeat(np.arange(len(low)), pairs)
    step = _count_up(pairs)
    first = low[of, 0] + step // size[of, 1]
    second = low[of, 1] + step % size[of, 1]
    return order[first], order[second]


def _count_up(sizes: Ints) -> Ints:
    """Give 0 .. n - 1 for each n of `sizes`, one after the other."""
    ends = np.cumsum(sizes)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - sizes, sizes)


def _general(unit: Unit, family: Ints, content: Ints, block: int) -> tuple[Floats32, Ints | None]:
    _, sizes = np.unique(family, return_counts=True)
    pairs = (len(family) ** 2 - int((sizes.astype(np.int64) ** 2).sum())) // 2
    parts = unrelated_places(unit, family, content, block)
    if pairs <= EXACT_GENERAL:
        return to_scores(np.concatenate([np.empty(0, np.float32), *parts])), None
    counts = np.zeros(PLACES, np.int64)
    for part in parts:
        if len(part):
            low = int(part.min())
            part -= np.float32(low)  # counts of the range that is there, not of the whole grid
            few = np.bincount(part.astype(np.int64))
            counts[low : low + len(few)] += few
    found = np.flatnonzero(counts)
    return to_scores(found.astype(np.float32)), counts[found]
