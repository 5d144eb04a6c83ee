"""Byte-identical files, found without reading what cannot be identical."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

_PROBE = 4096  # bytes; from the middle, since headers of one camera are all alike


def identical_groups(paths: Iterable[Path]) -> tuple[tuple[Path, ...], ...]:
    """Group files with the same bytes.

    Files of a unique size are not opened; of the others 4 KiB are read first, and only where these agree is the whole
    file hashed (SHA-256).

    Args:
        paths: files, each once.

    Returns:
        Groups of two files or more, each in the order given.
    """
    # Empty files are broken, not alike.
    groups: list[tuple[Path, ...]] = [tuple(path for path in paths if _size(path))]
    for key in (_size, _probe, _digest):
        groups = [finer for group in groups for finer in _split(group, key)]
    return tuple(groups)


def _split(group: Sequence[Path], key: Callable[[Path], Hashable]) -> list[tuple[Path, ...]]:
    buckets: dict[Hashable, list[Path]] = defaultdict(list)
    for path in group:
        buckets[key(path)].append(path)
    return [tuple(bucket) for bucket in buckets.values() if len(bucket) > 1]


def _size(path: Path) -> int:
    return path.stat().st_size


def _probe(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size // 2 - _PROBE // 2))
        return file.read(_PROBE)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
