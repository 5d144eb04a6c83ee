"""One side of a split as arrays: what training and evaluation see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinverify.faces.cache import PixelCache
from twinverify.faces.catalogue import Catalogue


@dataclass(frozen=True)
class FaceSet:
    """Images, people, families and twin pairs as numbers.

    Attributes:
        pixels: (M, 3, S, S) uint8, the whole cache, mapped.
        rows: (B,) int64, the row of each image of this set in `pixels`.
        person: (B,) int64 in 0..P-1.
        family: (B,) int64 in 0..F-1.
        content: (B,) int64; equal numbers = byte-identical images.
        twin_pairs: (K, 2) int64, pairs of person numbers.
        person_ids: the id of each person number.
    """

    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    person: NDArray[np.int64]
    family: NDArray[np.int64]
    content: NDArray[np.int64]
    twin_pairs: NDArray[np.int64]
    person_ids: tuple[str, ...]

    def __len__(self) -> int:
        """Give the number B of images."""
        return len(self.rows)


def face_set(catalogue: Catalogue, cache: PixelCache) -> FaceSet:
    """Number the people and families of `catalogue`, whose images the cache holds."""
    person_ids = tuple(person.id for person in catalogue.people)
    number = {id: i for i, id in enumerate(person_ids)}
    family_number = {id: i for i, id in enumerate(sorted(set(catalogue.families.values())))}
    family_of = np.array([family_number[catalogue.families[id]] for id in person_ids], dtype=np.int64)
    rows = np.array([cache.row(path) for path in catalogue.image_paths], dtype=np.int64)
    person = np.repeat(np.arange(len(person_ids)), [len(person.images) for person in catalogue.people])
    pairs = np.array([(number[a], number[b]) for a, b in catalogue.twin_pairs], dtype=np.int64).reshape(-1, 2)
    return FaceSet(cache.pixels, rows, person, family_of[person], cache.content[rows], pairs, person_ids)
