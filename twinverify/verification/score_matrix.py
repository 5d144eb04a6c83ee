"""Pair scores from any score matrix: another model's, another program's."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twinverify.verification.cosines import Ints
from twinverify.verification.pairs import PairScores
from twinverify.verification.unrelated import UnrelatedBlock

Matrix = NDArray[np.floating]

# Rows at a time: temporaries stay far below the matrix.
_BAND = 256


def matrix_scores(
    matrix: Matrix, person: Ints, family: Ints, twin_pairs: ArrayLike, content: Ints | None = None
) -> PairScores:
    """Sort the scores of a matrix by kind: same person, twins, unrelated people.

    Args:
        matrix: (B, B) the score of each image with each, higher = more alike. Read above the diagonal only.
        person: (B,) int, the person of each image.
        family: (B,) int, the family of each image, 0 .. F - 1.
        twin_pairs: (K, 2) int, who are twins.
        content: (B,) int, equal for byte-identical images, whose pairs are left out; None = there are none.

    Returns:
        The scores as float32, not rounded further.

    Raises:
        ValueError: the shapes do not fit, a person or a pair of twins is in two families, or a score above the diagonal
            is NaN or infinite.
    """
    twins = np.asarray(twin_pairs, np.int64).reshape(-1, 2)
    content = np.arange(len(person)) if content is None else content
    _check(matrix, person, family, twins, content)
    people = int(max(person.max(initial=0), twins.max(initial=0))) + 1
    twin_codes = twins.min(axis=1) * people + twins.max(axis=1)
    same, twin = (_Found() for _ in range(2))
    for first, second in _related(family, content):
        codes = np.minimum(person[first], person[second]) * people + np.maximum(person[first], person[second])
        for kind, of in ((same, person[first] == person[second]), (twin, np.isin(codes, twin_codes))):
            kind.add(matrix[first[of], second[of]], family[first[of]])
    general = [np.empty(0, np.float32), *(block.scores for block in matrix_blocks(matrix, family, content))]
    return PairScores(same.scores, twin.scores, np.concatenate(general), same.family, twin.family)


def matrix_blocks(matrix: Matrix, family: Ints, content: Ints | None = None) -> Iterator[UnrelatedBlock]:
    """Give the scores of unrelated people with the families of both, some at a time, as `by_family` wants them.

    Args:
        matrix: (B, B) the score of each image with each. Read above the diagonal only.
        family: (B,) int, the family of each image.
        content: (B,) int, equal for byte-identical images; None = there are none.
    """
    content = np.arange(len(family)) if content is None else content
    for rows, keep in _above(family, content):
        first, second = np.nonzero(keep & (family[rows, None] != family))
        first += rows.start
        yield UnrelatedBlock(matrix[first, second].astype(np.float32), family[first], family[second])


class _Found:
    """Scores of one kind, as they are found."""

    def __init__(self) -> None:
        self._scores = [np.empty(0, np.float32)]
        self._family = [np.empty(0, np.int64)]

    def add(self, scores: Matrix, family: Ints) -> None:
        self._scores.append(scores.astype(np.float32))
        self._family.append(family)

    @property
    def scores(self) -> NDArray[np.float32]:
        return np.concatenate(self._scores)

    @property
    def family(self) -> Ints:
        return np.concatenate(self._family)


def _related(family: Ints, content: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Give the images of all pairs within families, some at a time."""
    for rows, keep in _above(family, content):
        first, second = np.nonzero(keep & (family[rows, None] == family))
        yield first + rows.start, second


def _above(family: Ints, content: Ints) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Give a mask (band, B) of what is above the diagonal and not of identical images, a band of rows at a time."""
    places = np.arange(len(family))
    for start in range(0, len(family), _BAND):
        rows = slice(start, start + _BAND)
        yield rows, (places > places[rows, None]) & (content[rows, None] != content)


def _check(matrix: Matrix, person: Ints, family: Ints, twins: Ints, content: Ints) -> None:
    images = len(person)
    shapes = {"matrix": matrix.shape, "family": family.shape, "content": content.shape}
    for name, shape in shapes.items():
        wanted = (images, images) if name == "matrix" else (images,)
        if shape != wanted:
            raise ValueError(f"{name} of shape {shape}: for {images} images (as many as person has) it is {wanted}")
    family_of = dict(zip(person.tolist(), family.tolist(), strict=True))
    torn = np.flatnonzero(np.array([family_of[one] for one in person.tolist()], np.int64) != family)
    if len(torn):
        raise ValueError(f"person {person[torn[0]]}: is in two families")
    for first, second in twins.tolist():
        if first in family_of and second in family_of and family_of[first] != family_of[second]:
            raise ValueError(f"twins {first} and {second}: are of two families")
    for start in range(0, images, _BAND):
        rows, columns = np.nonzero(~np.isfinite(np.triu(matrix[start : start + _BAND], start + 1)))
        if len(rows):
            row, column = rows[0] + start, columns[0]
            raise ValueError(f"the score of images {row} and {column} is {matrix[row, column]}")
