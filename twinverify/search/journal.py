"""The journal of a sweep: what happened, durably and in order. It is the only truth; all else is made from it.

One JSON object a line, each line on the disk before anything follows from it:

    {"event": "planned", "sweep": {what sweep.yaml shows}, "space": "the text of space.yaml", "time": ...}
    {"event": "drawn", "trial": 3, "values": {...}, "time": ...}
    {"event": "reported", "trial": 3, "epoch": 1, "metrics": {...}, "then": "continue" | "pruned" | "completed", ...}
    {"event": "reported", ..., "then": "continue", "spared": true, ...}
    {"event": "failed", "trial": 3, "cause": "...", ...}

A sweep begins with its plan; a start that changes anything of it notes the whole plan again. The decision stands in the
report's own line, so that no crash can come between the two. `spared` stands once: this trial would have been stopped
there, and is let run to its end (`spare`).
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from twinverify.durable import sync, sync_folder
from twinverify.errors import UserError

FILE_NAME: Final = "journal.jsonl"
#: What an event is told by, beside its time.
_FACTS: Final[Mapping[Any, frozenset[str]]] = {
    "planned": frozenset({"sweep", "space"}),
    "drawn": frozenset({"trial", "values"}),
    "reported": frozenset({"trial", "epoch", "metrics", "then"}),
    "failed": frozenset({"trial", "cause"}),
}


class Journal:
    """Appends events to one file; what `append` returned from is on the disk."""

    def __init__(self, folder: Path) -> None:
        """Open the journal in `folder`, cutting off a last line that a crash left half written.

        Raises:
            UserError: the file cannot be written.
        """
        self.path = folder / FILE_NAME
        is_new = not self.path.exists()
        self._end = _whole_length(self.path)
        self._file = -1
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._file, self._end)
            if is_new:
                sync_folder(folder)
        except OSError as error:
            self.close()
            raise self._cannot_write(error) from error

    def append(self, event: str, trial: int | None = None, **facts: Any) -> dict[str, Any]:
        """Write one event (of a trial, but for a plan) and give it back; returns when it is on the disk.

        Raises:
            UserError: it cannot be written; nothing of it stays.
        """
        of_trial = {} if trial is None else {"trial": trial}
        entry = {"event": event, **of_trial, **facts, "time": round(time.time(), 3)}
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            # Nothing followed from a line that Ctrl-C kept `append` from returning: it does not count.
            if os.fstat(self._file).st_size != self._end:
                os.ftruncate(self._file, self._end)
            if os.write(self._file, line) != len(line):
                raise OSError("only a part of the line could be written")
            sync(self._file)
        except OSError as error:
            # What cannot even be cut off is cut off by the next start.
            with suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise self._cannot_write(error) from error
        self._end += len(line)
        return entry

    def close(self) -> None:
        """Close the file; more than once does no harm."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _cannot_write(self, error: OSError) -> UserError:
        reason = error.strerror or error
        return UserError(
            f"{self.path}: cannot be written ({reason}); make room and continue the sweep: nothing is lost"
        )


def read_journal(folder: Path) -> Iterator[dict[str, Any]]:
    """Give the events of the sweep in `folder`, in order; a last line that a crash left half written is passed over.

    Raises:
        UserError: a line before the last is damaged, or the file cannot be read.
    """
    path = folder / FILE_NAME
    for number, line in enumerate(_whole_lines(path), 1):
        entry = _entry(line)
        if entry is None:
            raise UserError(f"{path}, line {number}: not a journal entry; restore the file from a copy")
        yield entry


def read_events(folder: Path, *events: str) -> list[dict[str, Any]]:
    """Give only some kinds of events, in order; damaged lines are passed over: `read_journal` refuses them.

    For the few plans and draws among many reports: no line without the event's name is parsed.

    Raises:
        UserError: the file cannot be read.
    """
    words = [f'"{event}"'.encode() for event in events]
    found = (_entry(line) for line in _whole_lines(folder / FILE_NAME) if any(word in line for word in words))
    return [entry for entry in found if entry is not None and entry["event"] in events]


def has_events(folder: Path) -> bool:
    """Tell whether a sweep has begun in `folder`: a journal without a whole line is as good as none."""
    return _whole_length(folder / FILE_NAME) > 0


def _whole_lines(path: Path) -> list[bytes]:
    data = _bytes(path)
    return data[: _whole_length_of(data)].split(b"\n")[:-1]


def _whole_length(path: Path) -> int:
    """Give the length in bytes up to the last line that is whole and valid."""
    return _whole_length_of(_bytes(path))


def _whole_length_of(data: bytes) -> int:
    end = data.rfind(b"\n") + 1
    start = data.rfind(b"\n", 0, max(0, end - 1)) + 1
    # After a power cut a file can end in zeros.
    return end if _entry(data[start:end]) else start


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and the infinities, which JSON does not have and `append` does not write."""
    raise ValueError(constant)


def _entry(line: bytes) -> dict[str, Any] | None:
    """Read a line; None where it is damaged."""
    try:
        entry = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("time"), int | float):
        return None
    if not isinstance(entry.get("event"), str):
        return None
    return entry if entry.keys() >= _FACTS.get(entry["event"], frozenset()) else None
