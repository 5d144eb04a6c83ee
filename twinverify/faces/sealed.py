"""The one door to the sealed test side. `confirm` alone imports it; a contract in pyproject.toml holds that."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from twinverify.errors import UserError
from twinverify.faces.cache import PixelCache, Progress
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.digests import file_digests
from twinverify.faces.faceset import FaceSet, face_set
from twinverify.faces.images import BrokenImageError, quiet_pillow, read_square
from twinverify.faces.load import SYNTHETIC, check_data
from twinverify.faces.synthetic import synthetic_catalogue
from twinverify.settings import Config

_THREADS: Final = 8
_AHEAD: Final = 64  # images in flight: bounds the memory
_MARK: Final = 16  # hex digits


def sealed_digest(data: str, config: Config, test: Catalogue, cache_folder: Path) -> str:
    """Give what tells these test people and pictures from all others, whatever sweep and folder they stand in.

    No picture is decoded for it.

    Args:
        data: `synthetic`, or a folder.
        config: the synthetic faces' settings count.
        test: the test side.
        cache_folder: where the digests of files are remembered.

    Raises:
        UserError: an image cannot be read.
    """
    people = [person.id for person in test.people]
    if data == SYNTHETIC:  # drawn from the settings, at the size that a model wants
        told: Any = [config.synthetic.model_dump(mode="json"), people]
    else:
        found = iter(file_digests(test.root, test.image_paths, cache_folder).digests)
        # Neither ids nor names of files: the same pictures under others are the same test.
        told = sorted(sorted(next(found).hex() for _ in person.images) for person in test.people)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def sealed_people(data: str, config: Config, test: Catalogue, cache_folder: Path) -> tuple[str, ...]:
    """Give what each of these test people is known by, in whatever test side, data set or sweep they stand again.

    A person of a folder is known by the bytes of each picture: the same under another name and with more pictures, not
    known again where each of them was encoded anew. A synthetic person is known by what the face is drawn from, however
    many others and pictures there are.

    Args:
        data: as of `sealed_digest`.
        config: as of `sealed_digest`.
        test: as of `sealed_digest`.
        cache_folder: as of `sealed_digest`.

    Returns:
        For each person one mark or several (sixteen hex digits each), with spaces between; people who share a mark are
        the same.

    Raises:
        UserError: an image cannot be read.
    """
    if data == SYNTHETIC:
        drawn = config.synthetic
        # Of `f007a` the zeros follow from how many families there are.
        faces = [(int(person.id[1:-1]), person.id[-1]) for person in test.people]
        told = (json.dumps([drawn.seed, drawn.difference, *face]) for face in faces)
        return tuple(hashlib.sha256(each.encode()).hexdigest()[:_MARK] for each in told)
    found = iter(file_digests(test.root, test.image_paths, cache_folder).digests)
    return tuple(" ".join(sorted({next(found).hex()[:_MARK] for _ in person.images})) for person in test.people)


@contextmanager
def open_test(
    data: str, config: Config, cache_folder: Path, pairs: Path | None = None, on_progress: Progress | None = None
) -> Iterator[FaceSet]:
    """Open the sealed test side, for as long as the block lasts.

    Its pixels lie in a file without a name in the cache folder, which is gone with this process, however it ends.

    Args:
        data: as of `load_data`.
        config: as of `load_data`.
        cache_folder: as of `load_data`.
        pairs: as of `load_data`.
        on_progress: called with images done and images in all.

    Yields:
        The test side.

    Raises:
        UserError: as `load_data`.
    """
    test = check_data(data, config, cache_folder, pairs).test
    size = config.model.shape().image_size
    if data == SYNTHETIC:
        synthetic_catalogue(config.synthetic, size, cache_folder)
    paths = test.image_paths
    digests = file_digests(test.root, paths, cache_folder).digests
    first: dict[bytes, int] = {}
    content = np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], np.int64)
    cache_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache_folder) as file:
        pixels = _decoded(file, test, size, on_progress)
        yield face_set(test, PixelCache(pixels, content, {path: row for row, path in enumerate(paths)}))


def _decoded(file: IO[bytes], test: Catalogue, size: int, on_progress: Progress | None) -> NDArray[np.uint8]:
    """Write the pixels front to back and map them."""
    paths = test.image_paths

    def decode(path: Path) -> NDArray[np.uint8]:
        try:
            return read_square(path, size)
        except BrokenImageError as error:
            raise UserError(
                f"data {test.root}: {path.relative_to(test.root)} cannot be read ({error}). Restore it"
            ) from None

    with quiet_pillow(), ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(paths), _AHEAD):
            for done, square in enumerate(pool.map(decode, paths[start : start + _AHEAD]), start + 1):
                file.write(square.data)
                if on_progress:
                    on_progress(done, len(paths))
    file.flush()
    pixels: NDArray[np.uint8] = np.memmap(file, np.uint8, "r", shape=(len(paths), 3, size, size))
    return pixels
