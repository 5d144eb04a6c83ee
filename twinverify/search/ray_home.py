"""Where Ray's files lie, and what a killed start of the same sweep has left of it."""

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Final

from twinverify.errors import UserError
from twinverify.search import orphans

#: Of a socket in Ray's folder: 107 characters, 103 on macOS. Ours takes 33 of them, Ray's own names up to 64.
_LONGEST_PLACE: Final = 103 - 33 - 64


def make_home(folder: Path) -> Path:
    """Make a folder for the files of the sweep's Ray, for this user alone; its name is the mark of Ray's processes."""
    return Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=_place()))


def clear_away(folder: Path) -> None:
    """End the processes that a killed start of this sweep has left, and remove Ray's files; the sweep's lock is held.

    Raises:
        UserError: one of them does not end.
    """
    left = orphans.end(_prefix(folder))
    if left:
        raise UserError(
            f"sweep {folder.name}: process {left[0]}, of an earlier start, does not end; it waits for a disk or a GPU"
            " perhaps: end it, or restart the machine"
        )
    for home in _place().glob(f"{_prefix(folder)}*"):
        # Everybody may write there; of a link, or of what is another user's, nothing is removed.
        shutil.rmtree(home, ignore_errors=True)


def _prefix(folder: Path) -> str:
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return f"twinverify-{digest[:8]}-"


def _place() -> Path:
    """Give where temporary files go, if Ray's sockets have names short enough there."""
    place = tempfile.gettempdir()
    return Path(place if len(place) <= _LONGEST_PLACE else "/tmp")
