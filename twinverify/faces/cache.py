"""Every image decoded and resized once, in one memory-mapped array that all trials and later sweeps share."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.identical import identical_groups
from twinverify.faces.images import BrokenImageError, check_readable, quiet_pillow, read_square
from twinverify.faces.listing import counted, some

Progress = Callable[[int, int], None]

#: Goes up when the pixels of the same files would come out differently.
_VERSION: Final = 1
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

    The cache is named by its content: version, size, and path, bytes and modification time of each file. It is written
    aside and renamed whole, under a lock, so that a killed process leaves nothing half-written and two processes at
    once build it once.

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
    place = folder / f"images-{size}-{_key(catalogue.root, size, paths, also_check)}"
    shape = (len(paths), 3, size, size)
    try:
        arrays = _arrays(place, shape)
        if arrays is None:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_name(place.name + ".lock")):
                arrays = _arrays(place, shape)  # another process may have built it while we waited
                if arrays is None:
                    _build(place, catalogue, size, also_check, on_progress)
                    arrays = _arrays(place, shape)
    except OSError as error:
        room = 3 * size * size * len(paths) / 2**20
        reason = error.strerror or str(error)
        raise UserError(f"cache {folder}: cannot be written ({reason}); it needs {room:.0f} MiB there") from None
    assert arrays is not None, place
    return PixelCache(*arrays, {path: row for row, path in enumerate(paths)})


def _arrays(place: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Map the arrays, or give None where they are not there or damaged."""
    try:
        pixels = np.load(place / "pixels.npy", mmap_mode="r")
        content = np.load(place / "content.npy")
    except (FileNotFoundError, EOFError, ValueError):
        return None
    return (pixels, content) if pixels.shape == shape and content.shape == shape[:1] else None


def _key(root: Path, size: int, paths: Sequence[Path], also_check: Sequence[Path]) -> str:
    digest = hashlib.sha256(f"{_VERSION} {size} {root}".encode())
    for group in (paths, also_check):
        digest.update(b"\0")
        for path in group:
            try:
                state = path.stat()
            except OSError as error:
                raise UserError(f"data {root}: {path.relative_to(root)} cannot be read ({error.strerror})") from None
            digest.update(json.dumps([str(path), state.st_size, state.st_mtime_ns]).encode())
    return digest.hexdigest()[:16]


def _build(
    place: Path, catalogue: Catalogue, size: int, also_check: Sequence[Path], on_progress: Progress | None
) -> None:
    aside = place.with_name(place.name + ".building")
    shutil.rmtree(aside, ignore_errors=True)  # left by a killed process: we hold the lock, so nobody writes it
    shutil.rmtree(place, ignore_errors=True)  # damaged, or it would have been taken
    aside.mkdir()
    try:
        _write_pixels(aside / "pixels.npy", catalogue, size, also_check, on_progress)
        with (aside / "content.npy").open("wb") as file:
            np.save(file, _content(catalogue))
            _sync(file)
        aside.rename(place)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


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
        _sync(file)
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


def _content(catalogue: Catalogue) -> NDArray[np.int64]:
    paths = catalogue.image_paths
    groups = catalogue.identical if catalogue.identical is not None else identical_groups(paths)
    row = {path: number for number, path in enumerate(paths)}
    content = np.arange(len(paths), dtype=np.int64)
    for group in groups:
        content[[row[path] for path in group]] = row[group[0]]
    return content


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
