"""The scores of all pairs of unrelated people, a block of the score matrix at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.cosines import Floats32, Ints, Unit, to_places, to_scores


class UnrelatedBlock(NamedTuple):
    """Some pairs of unrelated people.

    Attributes:
        scores: (G,) float32.
        first: (G,) int64, the family of the one person.
        second: (G,) int64, the family of the other person.
    """

    scores: Floats32
    first: Ints
    second: Ints


def unrelated_blocks(embeddings: Floats32, family: Ints, content: Ints, block: int = 4096) -> Iterator[UnrelatedBlock]:
    """Give the scores of all pairs of unrelated people with the families of both; the scores as `pair_scores` has them.

    Args:
        embeddings: (B, E) float, one embedding an image.
        family: (B,) int, the family of each image.
        content: (B,) int, equal for byte-identical images.
        block: side of a block of the score matrix, images.

    Yields:
        Each pair once, some at a time: what one block of the score matrix takes, not more.

    Raises:
        BadEmbeddingsError: an embedding is not finite or has length zero.
    """
    unit = Unit(embeddings, block)
    order = np.argsort(family, kind="stable")
    family, content = family[order], content[order]
    for rows, columns, scores in _bands(unit, order, block):
        keep = _unrelated(rows, columns, family, content)
        first = np.broadcast_to(family[rows, None], keep.shape)[keep]
        second = np.broadcast_to(family[columns], keep.shape)[keep]
        yield UnrelatedBlock(to_scores(to_places(scores[keep])), first, second)


def unrelated_places(unit: Unit, family: Ints, content: Ints, block: int) -> Iterator[Floats32]:
    """Give the places on the grid of all scores of unrelated people, some at a time; see `unrelated_blocks`."""
    order = np.argsort(family, kind="stable")  # one family's images side by side: most blocks need no mask
    family, content = family[order], content[order]
    for rows, columns, scores in _bands(unit, order, block):
        mixed = _mixed(rows, columns, family, content)
        yield to_places(scores[_unrelated(rows, columns, family, content)] if mixed else scores.ravel())


def _bands(unit: Unit, order: Ints, block: int) -> Iterator[tuple[slice, slice, Floats32]]:
    """Give the upper triangle of the score matrix, a band of a block at a time, with its rows and columns."""
    band = max(1, block // 16)  # temporaries are up to 20 bytes a score, and counting takes 2 * PLACES * 8
    for start in range(0, len(order), block):
        right = unit[order[start : start + block]]  # (block, E)
        for top in range(0, min(start + block, len(order)), band):
            rows, columns = slice(top, top + band), slice(max(start, top), start + block)
            yield rows, columns, unit[order[rows]] @ right[columns.start - start :].T  # (band, block)


def _mixed(rows: slice, columns: slice, family: Ints, content: Ints) -> bool:
    """Tell whether a block may hold pairs that do not count: one family's, byte-identical ones, or seen before."""
    overlap = columns.start < rows.stop or family[rows][-1] == family[columns.start]
    return bool(overlap or np.isin(content[rows], content[columns]).any())


def _unrelated(rows: slice, columns: slice, family: Ints, content: Ints) -> NDArray[np.bool_]:
    # Families are sorted, so "below the diagonal" is "a smaller family number": > counts each pair once.
    unrelated: NDArray[np.bool_] = (family[columns] > family[rows, None]) & (content[columns] != content[rows, None])
    return unrelated
