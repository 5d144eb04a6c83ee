"""What bytes a file holds: SHA-256, remembered, so that files that have not changed are not read again."""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinverify.errors import UserError, counted, some

_STATE, _DIGEST = 16, 32  # bytes of an entry: what a file looks like from outside, and what is in it
_AHEAD: Final = 256  # files in flight: bounds the memory
#: Within so many seconds after a change a file may change again without another time stamp: not remembered yet.
_SETTLED: Final = 2.0


@dataclass(frozen=True)
class FileDigests:
    """The digests of the images of a data set.

    Attributes:
        root: the data set's folder.
        paths: its images.
        digests: SHA-256 of each image's bytes.
        index: file that remembers them.
        entries: what it should hold: path, size, times and inode of a file, hashed -> its digest.
        is_new: whether it holds something else.
    """

    root: Path
    paths: tuple[Path, ...]
    digests: tuple[bytes, ...]
    index: Path
    entries: dict[bytes, bytes]
    is_new: bool

    def still_hold(self) -> bool:
        """Tell whether the files are as they were when they were hashed."""
        return _digests(self.root, self.paths, self.entries)[0] == self.digests

    def remember(self) -> None:
        """Write the index, aside and renamed, if it changed; without the right to, the files are read again."""
        if not self.is_new:
            return
        told = b"".join(state + digest for state, digest in self.entries.items())
        aside = self.index.with_name(f"{self.index.name}.{os.getpid()}")
        with suppress(OSError):
            try:
                aside.write_bytes(hashlib.sha256(told).digest() + told)
                aside.replace(self.index)
            finally:
                aside.unlink(missing_ok=True)


def file_digests(root: Path, paths: Iterable[Path], folder: Path) -> FileDigests:
    """Give the SHA-256 of each file; only what is new or changed since it was remembered is read.

    Changed: another path, size, modification time, change time or inode. A file whose modification time was set back,
    or one that was put in another's place, is therefore read.

    Args:
        root: the data set's folder.
        paths: its images.
        folder: the cache folder, with one index for each data set. Nothing is written before `remember`.

    Raises:
        UserError: files cannot be read; the line names the first few and their number.
    """
    index = folder / f"digests-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}.bin"
    known = _read(index)
    paths = tuple(paths)
    digests, entries = _digests(root, paths, known)
    return FileDigests(root, paths, digests, index, entries, entries != known)


def _digests(
    root: Path, paths: Sequence[Path], known: Mapping[bytes, bytes]
) -> tuple[tuple[bytes, ...], dict[bytes, bytes]]:
    """Give the digest of each file, and those of them that may be remembered."""
    digests: dict[Path, bytes] = {}
    entries: dict[bytes, bytes] = {}
    for path in paths:
        with suppress(OSError):  # told with all others when it is opened
            state = _state(path, path.stat())
            if state in known:
                entries[state] = digests[path] = known[state]
    unreadable = []
    unknown = [path for path in paths if path not in digests]
    for path, result in zip(unknown, _hashed(unknown), strict=True):
        if isinstance(result, OSError):
            unreadable.append(f"{path.relative_to(root)}: {result.strerror or result}")
            continue
        settled, digests[path] = result
        if settled:
            entries[settled] = digests[path]
    if unreadable:
        raise UserError(
            f"data {root}: {len(unreadable)} of {counted(len(paths), 'image')} cannot be read"
            f" (first: {some(unreadable)}). Remove or restore them"
        )
    return tuple(digests[path] for path in paths), entries


def _hashed(paths: Sequence[Path]) -> Iterator[tuple[bytes | None, bytes] | OSError]:
    """Hash in threads (hashlib and reading release the interpreter's lock), in order, a bounded number ahead."""
    if paths:
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            for start in range(0, len(paths), _AHEAD):
                yield from pool.map(_hash, paths[start : start + _AHEAD])


def _hash(path: Path) -> tuple[bytes | None, bytes] | OSError:
    """Give what a file looks like from outside, None where that may not last, and its digest."""
    try:
        with path.open("rb") as file:
            now = time.time()
            before = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").digest()
            after = os.fstat(file.fileno())
    except OSError as error:
        return error
    settled = min(abs(now - before.st_mtime), abs(now - before.st_ctime)) > _SETTLED
    state = _state(path, before)
    return (state if settled and state == _state(path, after) else None), digest


def _state(path: Path, seen: os.stat_result) -> bytes:
    told = f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns} {seen.st_ino} ".encode() + os.fsencode(path)
    return hashlib.sha256(told).digest()[:_STATE]


def _read(index: Path) -> dict[bytes, bytes]:
    """Read the index; a damaged one is as good as none."""
    try:
        told = index.read_bytes()
    except OSError:
        return {}
    entries = told[_DIGEST:]
    size = _STATE + _DIGEST
    if hashlib.sha256(entries).digest() != told[:_DIGEST] or len(entries) % size:
        return {}
    starts = range(0, len(entries), size)
    return {entries[start : start + _STATE]: entries[start + _STATE : start + size] for start in starts}
