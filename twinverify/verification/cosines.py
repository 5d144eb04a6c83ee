"""Cosines of embeddings, on a grid, without a second copy of the embeddings."""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats32 = NDArray[np.float32]

# Cosines are rounded to this grid. float32 products of equal vectors differ in the last bits with the order of the
# sum: unrounded, a collapsed model, all cosines "1", would be ranked by that noise and reach an EER of 0 or 1, not 0.5.
RESOLUTION = 2.0**-20

_HALF = round(1 / RESOLUTION)

#: How many places the grid has; -1 and 1 are both on it.
PLACES = 2 * _HALF + 1


class BadEmbeddingsError(ValueError):
    """Some embeddings have no direction: NaN, infinite or zero. A failure of the model, not of the user."""


class Unit:
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


def cosines(unit: Unit, first: Ints, second: Ints) -> Floats32:
    """Give the cosine of each pair of images, rounded to the grid."""
    scores = np.empty(len(first), np.float32)
    for start in range(0, len(first), unit.step):
        part = slice(start, start + unit.step)
        scores[part] = np.einsum("pe,pe->p", unit[first[part]], unit[second[part]])
        to_places(scores[part])
    return to_scores(scores)


def to_places(scores: Floats32) -> Floats32:
    """Turn scores into places 0 .. PLACES - 1 of the grid, in place; exact, for RESOLUTION is a power of 2."""
    scores /= np.float32(RESOLUTION)
    np.rint(scores, out=scores)
    scores += np.float32(_HALF)
    np.clip(scores, 0, PLACES - 1, out=scores)
    return scores


def to_scores(places: Floats32) -> Floats32:
    """Undo `to_places`; what is left is the score, rounded."""
    places -= np.float32(_HALF)
    places *= np.float32(RESOLUTION)
    return places
