"""The scores of all image pairs of a set, from one embedding an image: same person, twins, unrelated people.

Memory: the embeddings as they are given, and what one block of the score matrix would take; no second copy of either.
The unrelated pairs grow with the square of the images (5e9 for 100,000), so above `EXACT_GENERAL` pairs they are kept
as a histogram.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats32 = NDArray[np.float32]

# Up to so many unrelated pairs each score is kept; above, one count for each distinct score.
EXACT_GENERAL = 2_000_000

# Cosines are rounded to this grid. float32 products of equal vectors differ in the last bits with the order of the
# sum: unrounded, a collapsed model, all cosines "1", would be ranked by that noise and reach an EER of 0 or 1, not 0.5.
RESOLUTION = 2.0**-20

_HALF = round(1 / RESOLUTION)
_BINS = 2 * _HALF + 1  # -1 and 1 are both on the grid


class BadEmbeddingsError(ValueError):
    """Some embeddings have no direction: NaN, infinite or zero. A failure of the model, not of the user."""


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
    unit = _Unit(embeddings, block)
    general, counts = _general(unit, family, content, block)  # first: it needs the most room
    same = _pairs_within(person)
    twin = _pairs_between(person, twin_pairs)
    different = [content[first] != content[second] for first, second in (same, twin)]
    same, twin = ((first[keep], second[keep]) for (first, second), keep in zip((same, twin), different, strict=True))
    return PairScores(
        same=_cosines(unit, *same),
        twin=_cosines(unit, *twin),
        general=general,
        same_family=family[same[0]],
        twin_family=family[twin[0]],
        general_counts=counts,
    )


class _Unit:
    """The embeddings at length 1, some rows at a time: all of them at once would be a second copy.

    Attributes:
        step: how many rows take a quarter of a block, in float64.
    """

    def __init__(self, embeddings: Floats32, block: int) -> None:
        self._embeddings = embeddings
        self._length = np.empty(len(embeddings))  # (B,) float64
        self.step = max(1, block * block // (8 * embeddings.shape[1]))
        for start in range(0, len(embeddings), self.step):
            rows = slice(start, start + self.step)
            self._length[rows] = np.linalg.norm(embeddings[rows].astype(np.float64), axis=1)
        _require(np.isfinite(self._length), "not finite")  # squares of float32 do not overflow in float64
        _require(self._length > 0, "zero")

    def __getitem__(self, rows: Ints) -> Floats32:
        """Give some rows; divided in float64 (in NumPy's small buffers), rounded once."""
        found = self._embeddings[rows].astype(np.float32, copy=False)
        np.divide(found, self._length[rows, None], out=found, dtype=np.float64, casting="same_kind")
        return found


def _require(good: NDArray[np.bool_], fault: str) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        raise BadEmbeddingsError(f"embeddings: {len(bad)} of {len(good)} are {fault} (first: image {bad[0]})")


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


def _cosines(unit: _Unit, first: Ints, second: Ints) -> Floats32:
    scores = np.empty(len(first), np.float32)
    for start in range(0, len(first), unit.step):
        part = slice(start, start + unit.step)
        scores[part] = np.einsum("pe,pe->p", unit[first[part]], unit[second[part]])
        _to_places(scores[part])
    return _to_scores(scores)


def _to_places(scores: Floats32) -> Floats32:
    """Turn scores into places 0 .. 2 / RESOLUTION of the grid, in place; exact, for RESOLUTION is a power of 2."""
    scores /= np.float32(RESOLUTION)
    np.rint(scores, out=scores)
    scores += np.float32(_HALF)
    np.clip(scores, 0, _BINS - 1, out=scores)
    return scores


def _to_scores(places: Floats32) -> Floats32:
    """Undo `_to_places`; what is left is the score, rounded."""
    places -= np.float32(_HALF)
    places *= np.float32(RESOLUTION)
    return places


def _general(unit: _Unit, family: Ints, content: Ints, block: int) -> tuple[Floats32, Ints | None]:
    order = np.argsort(family, kind="stable")  # one family's images side by side: most blocks need no mask
    family, content = family[order], content[order]
    _, sizes = np.unique(family, return_counts=True)
    pairs = (len(family) ** 2 - int((sizes.astype(np.int64) ** 2).sum())) // 2
    parts = map(_to_places, _general_blocks(unit, order, family, content, block))
    if pairs <= EXACT_GENERAL:
        return _to_scores(np.concatenate([np.empty(0, np.float32), *parts])), None
    counts = np.zeros(_BINS, np.int64)
    for part in parts:
        if len(part):
            low = int(part.min())
            part -= np.float32(low)  # counts of the range that is there, not of the whole grid
            few = np.bincount(part.astype(np.int64))
            counts[low : low + len(few)] += few
    found = np.flatnonzero(counts)
    return _to_scores(found.astype(np.float32)), counts[found]


def _general_blocks(unit: _Unit, order: Ints, family: Ints, content: Ints, block: int) -> Iterator[Floats32]:
    """Give the scores of all pairs of different families, a band of a block at a time; family is sorted."""
    band = max(1, block // 16)  # temporaries are up to 20 bytes a score, and counting takes 2 * _BINS * 8
    for start in range(0, len(order), block):
        right = unit[order[start : start + block]]  # (block, E)
        for top in range(0, min(start + block, len(order)), band):
            rows, columns = slice(top, top + band), slice(max(start, top), start + block)
            scores = unit[order[rows]] @ right[columns.start - start :].T  # (band, block)
            mixed = _mixed(rows, columns, family, content)
            yield scores[_unrelated(rows, columns, family, content)] if mixed else scores.ravel()


def _mixed(rows: slice, columns: slice, family: Ints, content: Ints) -> bool:
    """Tell whether a block may hold pairs that do not count: one family's, byte-identical ones, or seen before."""
    overlap = columns.start < rows.stop or family[rows][-1] == family[columns.start]
    return bool(overlap or np.isin(content[rows], content[columns]).any())


def _unrelated(rows: slice, columns: slice, family: Ints, content: Ints) -> NDArray[np.bool_]:
    # Families are sorted, so "below the diagonal" is "a smaller family number": > counts each pair once.
    unrelated: NDArray[np.bool_] = (family[columns] > family[rows, None]) & (content[columns] != content[rows, None])
    return unrelated
