"""A bounded part of the validation images, embedded on the CPU: a page must not take as long as a validation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.images import BrokenImageError, quiet_pillow, read_square
from twinverify.settings import Config

#: Multiplications that a page may spend: 50 images through ViT-B at 448 px, half a minute on two cores.
_WORK: Final = 4e12
_MOST: Final = 400


@dataclass(frozen=True)
class Sample:
    """Some images of the validation side.

    Attributes:
        pixels: (B, 3, S, S) uint8.
        person: (B,) the person of each image, 0 .. P - 1.
        family: (P,) the family of each person, from 1, counted over the whole validation side.
        letter: (P,) what tells the members of a family apart: a, b, ….
        twins: pairs of person numbers.
        content: (B,) equal for byte-identical images.
        whole: how many images the validation side has.
    """

    pixels: NDArray[np.uint8]
    person: NDArray[np.int64]
    family: Sequence[int]
    letter: Sequence[str]
    twins: frozenset[tuple[int, int]]
    content: NDArray[np.int64]
    whole: int


def take_sample(validation: Catalogue, config: Config) -> Sample:
    """Read as many images as may be looked at: whole families, those with twins first, evenly many of each person.

    Nobody is named: families are numbered, their members lettered.

    Raises:
        UserError: an image cannot be read.
    """
    size = config.model.shape().image_size
    allowed = affordable(config)
    people = _people(validation, allowed)
    number = {id: place for place, id in enumerate(people)}
    each = max(2, allowed // max(1, len(people)))
    images = {person.id: _evenly(person.images, each) for person in validation.people if person.id in number}
    paths = [path for id in people for path in images[id]]
    families = sorted(set(validation.families.values()))
    members = {family: [id for id, of in validation.families.items() if of == family] for family in families}
    return Sample(
        pixels=_read(paths, size),
        person=np.array([number[id] for id in people for _ in images[id]], np.int64),
        family=[families.index(validation.families[id]) + 1 for id in people],
        letter=[_letter(members[validation.families[id]].index(id)) for id in people],
        twins=frozenset((number[a], number[b]) for a, b in validation.twin_pairs if a in number and b in number),
        content=_content(paths, validation),
        whole=len(validation.image_paths),
    )


def affordable(config: Config) -> int:
    """Give how many images may go through the model."""
    shape = config.model.shape()
    tokens = (shape.image_size // shape.patch_size) ** 2 + 1
    work = shape.depth * (12 * tokens * shape.width**2 + 2 * tokens**2 * shape.width)
    return max(16, min(_MOST, int(_WORK / work)))


def _people(validation: Catalogue, allowed: int) -> list[str]:
    paired = {id for pair in validation.twin_pairs for id in pair}
    families: dict[str, list[str]] = {}
    for id, family in validation.families.items():
        families.setdefault(family, []).append(id)
    order = sorted(families)
    dealt = [order[i] for i in np.random.default_rng(0).permutation(len(order))]
    dealt.sort(key=lambda family: not paired.intersection(families[family]))  # stable: twins first
    chosen: list[str] = []
    for family in dealt:
        if not chosen or 2 * (len(chosen) + len(families[family])) <= allowed:
            chosen += families[family]
    return sorted(chosen)


def _evenly(paths: Sequence[Path], number: int) -> list[Path]:
    if len(paths) <= number:
        return list(paths)
    return [paths[place * len(paths) // number] for place in range(number)]


def _letter(place: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[place] if place < 26 else str(place + 1)


def _read(paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    pixels = np.empty((len(paths), 3, size, size), np.uint8)
    with quiet_pillow():
        for place, path in enumerate(paths):
            try:
                pixels[place] = read_square(path, size)
            except (BrokenImageError, OSError):
                # Without its name: the reason stands in a page that gets passed on.
                raise UserError("an image of the validation side cannot be read") from None
    return pixels


def _content(paths: Sequence[Path], validation: Catalogue) -> NDArray[np.int64]:
    group_of = {path: place for place, group in enumerate(validation.identical or ()) for path in group}
    return np.array([-1 - group_of[path] if path in group_of else place for place, path in enumerate(paths)], np.int64)


def batches(number: int, size: int) -> Iterator[slice]:
    """Give slices of at most `size` that cover 0 .. number."""
    return (slice(start, start + size) for start in range(0, number, size))
