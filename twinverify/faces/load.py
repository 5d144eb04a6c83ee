"""The one door to data: from `data=` to what training sees."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from twinverify.errors import UserError
from twinverify.faces.cache import PixelCache, Progress, open_cache
from twinverify.faces.catalogue import Catalogue, read_catalogue
from twinverify.faces.faceset import FaceSet, face_set
from twinverify.faces.splits import Split, split_families
from twinverify.faces.synthetic import planned_catalogue, synthetic_catalogue
from twinverify.settings import Config

SYNTHETIC: Final = "synthetic"


@dataclass(frozen=True)
class Data:
    """A data set, split and ready. The test side stays sealed: there is no FaceSet of it, and no pixel in the cache."""

    catalogue: Catalogue
    split: Split
    cache: PixelCache
    train: FaceSet
    validation: FaceSet


def check_data(data: str, config: Config, cache_folder: Path, pairs: Path | None = None) -> Split:
    """Do every check that needs no decoding: existence, layout, pairs, families, split, leaks. Writes nothing.

    Args:
        data: `synthetic`, or a folder.
        config: the split's and the synthetic faces' settings count.
        cache_folder: where synthetic faces would be drawn.
        pairs: a file of pairs in place of the data set's own.

    Raises:
        UserError: as `read_catalogue` and `split_families`.
    """
    if data == SYNTHETIC:
        _refuse_pairs(pairs)
        return split_families(planned_catalogue(config.synthetic, _size(config), cache_folder), config.split)
    return split_families(_read(data, pairs), config.split)


def load_data(
    data: str, config: Config, cache_folder: Path, pairs: Path | None = None, on_progress: Progress | None = None
) -> Data:
    """Read, split and decode.

    Images of the test side are decoded once too, to find broken ones before training, but nothing of them is kept.

    Args:
        data: `synthetic`, or a folder.
        config: the split, the synthetic faces, and the model's image size.
        cache_folder: where resized images and synthetic faces are kept; made if missing.
        pairs: a file of pairs in place of the data set's own.
        on_progress: called with images done and images in all while images are decoded.

    Raises:
        UserError: as `check_data`; images cannot be read; the cache cannot be written.
    """
    if data == SYNTHETIC:
        _refuse_pairs(pairs)
        catalogue = synthetic_catalogue(config.synthetic, _size(config), cache_folder)
    else:
        catalogue = _read(data, pairs)
    split = split_families(catalogue, config.split)
    seen = catalogue.subset([person.id for side in (split.train, split.validation) for person in side.people])
    cache = open_cache(seen, _size(config), cache_folder, on_progress, also_check=split.test.image_paths)
    return Data(catalogue, split, cache, face_set(split.train, cache), face_set(split.validation, cache))


def _read(data: str, pairs: Path | None) -> Catalogue:
    folder = Path(data).expanduser()
    if not folder.exists() and get_close_matches(data, [SYNTHETIC], cutoff=0.7):
        raise UserError(f"data {data}: no such folder; did you mean {SYNTHETIC}?")
    return read_catalogue(folder, pairs)


def _refuse_pairs(pairs: Path | None) -> None:
    if pairs:
        raise UserError(f"pairs {pairs}: synthetic twins have their own pairs; pairs= needs data=FOLDER")


def _size(config: Config) -> int:
    return config.model.shape().image_size
