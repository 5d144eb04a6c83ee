"""Every image decoded and resized once, in one memory-mapped array that all trials and later sweeps share."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from twinverify.durable import aside, leftovers, remove
from twinverify.errors import UserError, counted, some
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.digests import FileDigests, file_digests
from twinverify.faces.images import BrokenImageError, check_readable, quiet_pillow, read_square

Progress = Callable[[int, int], None]

#: Goes up when the pixels of the same files would come out differently.
_VERSION: Final = 2
_AHEAD: Final = 64  # images in flight: bounds the memory


@dataclass(frozen=True)
class PixelCache:
    """The resized images of a catalogue.

    Attributes:
        pixels: (M, 3, S, S) uint8 RGB, mapped read-only. Open it where it is used: pickling would copy all of it.
        content: (M,) int64; equal numbers = byte-identical files.
        rows: image path -> its row.
    """

    pixels: NDArray[np.uint8]
    content: NDArray[np.int64]
    rows: dict[Path, int]

    def row(self, path: Path) -> int:
        """Give the row of an image of the catalogue."""
        return self.rows[path]


def open_cache(
    catalogue: Catalogue,
    size: int,
    folder: Path,
    on_progress: Progress | None = None,
    *,
    also_check: Sequence[Path] = (),
) -> PixelCache:
    """Open the resized images, after making them where they are not there yet.

    The cache is named by its content: version, size, and the bytes of each file in the order of the catalogue. Neither
    the folder's place nor a file's date counts: a moved data set is not decoded again, a replaced image always. The
    cache is written aside and renamed whole, under a lock, so that a killed process leaves nothing half-written and two
    processes at once build it once.

    Args:
        catalogue: whose images, all of them.
        size: side S, pixels.
        folder: where caches lie; made if missing.
        on_progress: called with images done and images in all, while the cache is built.
        also_check: images to decode and forget at that time: the sealed test side, whose broken files should be known
            before training, but whose pixels are kept nowhere.

    Raises:
        UserError: images cannot be read (all of them in one line), or the cache cannot be written.
    """
    paths = catalogue.image_paths
    files = file_digests(catalogue.root, (*paths, *also_check), folder)
    digests = files.digests[: len(paths)]
    place = folder / f"images-{size}-{_key(size, digests, files.digests[len(paths) :])}.npy"
    shape = (len(paths), 3, size, size)
    try:
        pixels = _mapped(place, shape)
        if pixels is None:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_suffix(".lock")):
                pixels = _mapped(place, shape)  # another process may have built it while we waited
                if pixels is None:
                    _build(place, catalogue, size, also_check, on_progress, files)
                    pixels = _mapped(place, shape)
    except OSError as error:
        room = 3 * size * size * len(paths) / 2**20
        reason = error.strerror or str(error)
        raise UserError(f"cache {folder}: cannot be written ({reason}); it needs {room:.0f} MiB there") from None
    assert pixels is not None, place
    files.remember()
    return PixelCache(pixels, _content(digests), {path: row for row, path in enumerate(paths)})


def _mapped(place: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Map the pixels, or give None where they are not there or damaged."""
    try:
        pixels = np.load(place, mmap_mode="r")
    except (FileNotFoundError, EOFError, ValueError):
        return None
    return pixels if pixels.shape == shape else None


def _key(size: int, kept: Sequence[bytes], checked: Sequence[bytes]) -> str:
    told = hashlib.sha256(f"{_VERSION} {size} {len(kept)} ".encode())
    for digest in (*kept, *checked):
        told.update(digest)
    return told.hexdigest()[:16]


def _content(digests: Sequence[bytes]) -> NDArray[np.int64]:
    """Number the images so that byte-identical ones are equal: by the row of the first."""
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, row) for row, digest in enumerate(digests)], np.int64)


def _build(
    place: Path,
    catalogue: Catalogue,
    size: int,
    also_check: Sequence[Path],
    on_progress: Progress | None,
    files: FileDigests,
) -> None:
    # We hold the lock, so nobody else writes it: these are killed processes'.
    for left in leftovers(place.parent, (place.name,)):
        remove(left)
    with aside(place) as temporary:
        _write_pixels(temporary, catalogue, size, also_check, on_progress)
        # Pixels of other bytes than those that name the cache would be wrong for good.
        if not files.still_hold():
            raise UserError(f"data {catalogue.root}: images changed while they were read. Start again when they rest")


def _write_pixels(
    file_path: Path, catalogue: Catalogue, size: int, also_check: Sequence[Path], on_progress: Progress | None
) -> None:
    """Write the array front to back: a full disk is then an OSError, where a mapped file would kill the process."""
    paths = catalogue.image_paths
    total = len(paths) + len(also_check)
    broken: list[str] = []
    with file_path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), 3, size, size)}
        np.lib.format.write_array_header_1_0(file, header)
        jobs = [(path, size) for path in paths] + [(path, 0) for path in also_check]
        for done, (path, result) in enumerate(_decode(jobs), start=1):
            if isinstance(result, BrokenImageError):
                broken.append(f"{path.relative_to(catalogue.root)}: {result}")
            elif result is not None and not broken:
                file.write(result.data)
            if on_progress:
                on_progress(done, total)
    if broken:
        raise UserError(
            f"data {catalogue.root}: {len(broken)} of {counted(total, 'image')} cannot be read"
            f" (first: {some(broken)}). Remove or restore them"
        )


def _decode(jobs: Sequence[tuple[Path, int]]) -> Iterator[tuple[Path, NDArray[np.uint8] | BrokenImageError | None]]:
    """Decode in threads (Pillow releases the interpreter's lock), in order, a bounded number ahead."""

    def decode(job: tuple[Path, int]) -> NDArray[np.uint8] | BrokenImageError | None:
        path, size = job
        try:
            if size:
                return read_square(path, size)
            check_readable(path)
            return None
        except BrokenImageError as error:
            return error

    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(jobs), _AHEAD):
            some_jobs = jobs[start : start + _AHEAD]
            yield from zip((path for path, _ in some_jobs), pool.map(decode, some_jobs), strict=True)
