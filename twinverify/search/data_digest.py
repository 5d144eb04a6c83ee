"""What makes a data set the data set that it is: a sweep goes on only with the one that it began with."""

import hashlib
import json
from pathlib import Path

from twinverify.faces.digests import file_digests
from twinverify.faces.splits import Split


def data_digest(split: Split, cache: Path | None = None) -> str:
    """Give a digest of who is on which side, with which images and which twins; equal data sets have equal digests.

    Args:
        split: the three sides.
        cache: folder with the remembered digests of the files, whose bytes then count too; None = their names only.
            Nothing is written there, and only files that are not known there are read.

    Raises:
        UserError: an image cannot be read.
    """
    sides = (("train", split.train), ("validation", split.validation), ("test", split.test))
    bytes_of: dict[Path, str] = {}
    if cache is not None:
        paths = [path for _, part in sides for path in part.image_paths]
        found = file_digests(split.train.root, paths, cache).digests
        bytes_of = {path: digest.hex() for path, digest in zip(paths, found, strict=True)}
    facts = {
        side: [
            [(p.id, [(image.name, bytes_of.get(image)) for image in p.images]) for p in part.people],
            part.twin_pairs,
        ]
        for side, part in sides
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def data_counts(split: Split) -> dict[str, int]:
    """Give how many people, images and twin pairs a data set has: what can be named where its digest has changed."""
    sides = (split.train, split.validation, split.test)
    return {
        "people": sum(len(side.people) for side in sides),
        "images": sum(len(side.image_paths) for side in sides),
        "twin_pairs": sum(len(side.twin_pairs) for side in sides),
    }
