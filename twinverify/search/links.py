"""A sweep's folder is read, written and cleaned up by the names in it, so none of them may lead elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path

from twinverify.errors import UserError, some


def refuse_links(folder: Path) -> None:
    """Refuse a sweep in whose folder, or in a trial's, a link leads out of it: a log would be cut, weights deleted.

    Raises:
        UserError: there is such a link.
    """
    root = folder.resolve()
    out = sorted(path.relative_to(folder) for path in _links(folder) if not path.resolve().is_relative_to(root))
    if out:
        raise UserError(
            f"{folder}: {some(out)} {'leads' if len(out) == 1 else 'lead'} out of the sweep's folder; put the file"
            " itself there in place of the link"
        )


def _links(folder: Path) -> Iterator[Path]:
    for entry in _entries(folder):
        if entry.is_symlink():
            yield Path(entry.path)
        elif entry.is_dir():
            yield from (Path(inner.path) for inner in _entries(Path(entry.path)) if inner.is_symlink())


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # not there, or not ours to read: told by whoever needs it
        return []
