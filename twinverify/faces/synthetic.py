"""The built-in data set: drawn twins, so that everything runs without a licence, a download or a real face."""

import hashlib
import json
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from twinverify.durable import aside, leftovers, remove
from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue, Person
from twinverify.faces.drawing import draw_faces
from twinverify.faces.genome import draw_family
from twinverify.faces.scene import draw_scene
from twinverify.settings import SyntheticSettings

#: Goes up when the same settings would give other pictures.
_VERSION: Final = 1
#: Finer drawings take minutes and show no more; larger models get them enlarged.
_LARGEST: Final = 128
_PAIRS_FILE: Final = "twin_pairs.json"


def planned_catalogue(settings: SyntheticSettings, size: int, folder: Path) -> Catalogue:
    """Give the catalogue that `synthetic_catalogue` would draw, without drawing."""
    root = folder.resolve() / f"synthetic-{_key(settings, size)}"
    people = []
    for family in range(settings.families):
        for letter in "ab":
            id = f"f{family:0{_digits(settings.families)}d}{letter}"
            digits = _digits(settings.images)
            images = tuple(root / id / f"{number:0{digits}d}.png" for number in range(settings.images))
            people.append(Person(id, images))
    pairs = tuple((a.id, b.id) for a, b in zip(people[::2], people[1::2], strict=True))
    # No two drawings are alike: their noise differs.
    return Catalogue("synthetic", root, tuple(people), pairs, identical=())


def synthetic_catalogue(settings: SyntheticSettings, size: int, folder: Path) -> Catalogue:
    """Draw the synthetic twins, unless they have been drawn already, and give their catalogue.

    The folder made, `synthetic-<key>` with one folder a person and `twin_pairs.json`, is a data set like any other. It
    is drawn aside and renamed whole, under a lock.

    Args:
        settings: how many, how different, which.
        size: side of the images, pixels; above 128 they are drawn at 128 and enlarged when they are read.
        folder: where to make it; made if missing.

    Raises:
        UserError: the folder cannot be written.
    """
    catalogue = planned_catalogue(settings, size, folder)
    root = catalogue.root
    try:
        if not root.is_dir():
            root.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(root.with_name(root.name + ".lock")):
                if not root.is_dir():
                    _draw_all(catalogue, settings, min(size, _LARGEST))
    except OSError as error:
        raise UserError(f"synthetic faces: {folder} cannot be written ({error.strerror or error})") from None
    return catalogue


def _key(settings: SyntheticSettings, size: int) -> str:
    told = json.dumps([_VERSION, min(size, _LARGEST), settings.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _digits(number: int) -> int:
    return len(str(number - 1))


def _draw_all(catalogue: Catalogue, settings: SyntheticSettings, size: int) -> None:
    # We hold the lock, so nobody else draws it: these are killed processes'.
    for left in leftovers(catalogue.root.parent, (catalogue.root.name,)):
        remove(left)
    with aside(catalogue.root) as temporary:
        temporary.mkdir()
        for family, (first, second) in enumerate(catalogue.twin_pairs):
            pixels = draw_twins(settings, family, size)  # (2, images, S, S, 3)
            for id, images in zip((first, second), pixels, strict=True):
                (temporary / id).mkdir()
                digits = _digits(settings.images)
                for number, image in enumerate(images):
                    path = temporary / id / f"{number:0{digits}d}.png"
                    Image.fromarray(image).save(path, compress_level=1)
        pairs = json.dumps([list(pair) for pair in catalogue.twin_pairs])
        (temporary / _PAIRS_FILE).write_text(pairs, encoding="utf-8")


def draw_twins(settings: SyntheticSettings, family: int, size: int) -> NDArray[np.uint8]:
    """Draw all images of one family.

    Returns:
        (2, images, S, S, 3) uint8, RGB.
    """
    # 3, since 1 and 2 are the twins themselves, and a trailing 0 would give the family's own stream again.
    rng = np.random.default_rng([settings.seed, family, 3])
    twins = [twin for twin in draw_family(settings.seed, family, settings.difference) for _ in range(settings.images)]
    pixels = draw_faces(twins, draw_scene(rng, len(twins)), size, rng)
    return pixels.reshape(2, settings.images, size, size, 3)
