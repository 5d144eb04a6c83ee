"""The journal of a sweep: what happened, durably and in order. It is the only truth; all else is made from it.

One JSON object a line, each line on the disk before anything follows from it:

    {"event": "drawn", "trial": 3, "values": {...}, "time": ...}
    {"event": "reported", "trial": 3, "epoch": 1, "metrics": {...}, "then": "continue" | "pruned" | "completed", ...}
    {"event": "failed", "trial": 3, "cause": "...", ...}

The decision stands in the report's own line, so that no crash can come between the two.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from twinverify.errors import UserError

FILE_NAME: Final = "journal.jsonl"
#: macOS has no fdatasync.
_sync: Final = getattr(os, "fdatasync", os.fsync)


class Journal:
    """Appends events to one file; what `append` returned from is on the disk."""

    def __init__(self, folder: Path) -> None:
        """Open the journal in `folder`, cutting off a last line that a crash left half written."""
        self.path = folder / FILE_NAME
        whole = _whole_length(self.path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        os.ftruncate(self._file, whole)

    def append(self, event: str, trial: int, **facts: Any) -> dict[str, Any]:
        """Write one event and give it back; returns when it is on the disk."""
        entry = {"event": event, "trial": trial, **facts, "time": round(time.time(), 3)}
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        before = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError("only a part of the line could be written")
            _sync(self._file)
        except OSError as error:
            os.ftruncate(self._file, before)
            raise UserError(f"{self.path}: cannot be written ({error}); make room and continue the sweep") from error
        return entry

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the events of the sweep in `folder`, in order; a last line that a crash left half written is passed over.

    Raises:
        UserError: a line before the last is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return
    data = path.read_bytes()[: _whole_length(path)]
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        entry = _entry(line)
        if entry is None:
            raise UserError(f"{path}, line {number}: not a journal entry; restore the file from a copy")
        yield entry


def _whole_length(path: Path) -> int:
    """Give the length in bytes up to the last line that is whole and valid."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    end = data.rfind(b"\n") + 1
    start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
    # After a power cut a file can end in zeros.
    return end if _entry(data[start:end]) else start


def _entry(line: bytes) -> dict[str, Any] | None:
    """Read a line; None where it is damaged."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and entry.keys() >= {"event", "trial", "time"} else None
