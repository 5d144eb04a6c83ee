"""Metrics in an SQLite store: a row an entry, and a row a metric for its latest."""

import math
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from twinverify.errors import UserError
from twinverify.tracking.doctor.entries import Entry

#: Seconds to wait for others who write to the database.
_PATIENCE: Final = 30.0


class SqliteHistories:
    """Metrics of a database's runs."""

    def __init__(self, file: Path) -> None:
        """Read and edit a database."""
        self._file = file

    def read(self, run_id: str) -> dict[str, list[Entry]]:
        """Give each metric's entries in the order written."""
        with self._open() as database:
            return _entries(database, run_id)

    def keep_copy(self, run_ids: Collection[str], stamp: str) -> Path:
        """Copy the whole database to a file beside it."""
        kept = self._file.with_name(f"{self._file.stem}.before_doctor-{stamp}{self._file.suffix}")
        with self._open() as database, closing(sqlite3.connect(kept)) as copy:
            database.backup(copy)
        return kept

    def drop(self, run_id: str, dropped: Mapping[str, Collection[Entry]]) -> None:
        """Delete the rows of a run, and make its latest values anew, all in one transaction."""
        with self._open() as database, database:
            database.execute("BEGIN IMMEDIATE")
            places = [(entry.place,) for entries in dropped.values() for entry in entries]
            database.executemany("DELETE FROM metrics WHERE rowid = ?", places)
            left = _entries(database, run_id)
            for name in dropped:
                database.execute("DELETE FROM latest_metrics WHERE run_uuid = ? AND key = ?", (run_id, name))
                if name in left:
                    _write_latest(database, run_id, name, left[name])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # mode=rw: a database that is gone is not laid out anew.
        try:
            with closing(sqlite3.connect(f"{self._file.as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)) as database:
                yield database
        except sqlite3.OperationalError as error:  # locked, not writable, or of another layout
            raise UserError(f"{self._file}: {error}; what has been mended stays so, repair=true goes on") from error


def _entries(database: sqlite3.Connection, run_id: str) -> dict[str, list[Entry]]:
    asked = "SELECT key, step, timestamp, value, is_nan, rowid FROM metrics WHERE run_uuid = ? ORDER BY rowid"
    entries: dict[str, list[Entry]] = {}
    for key, step, timestamp, value, is_nan, row in database.execute(asked, (run_id,)):
        entries.setdefault(key, []).append(Entry(step, timestamp, math.nan if is_nan else value, row))
    return entries


def _write_latest(database: sqlite3.Connection, run_id: str, name: str, entries: list[Entry]) -> None:
    """Write which entry MLflow shows: its own choice among them."""
    # MLflow stores what is not a number as 0 with a mark, and compares that.
    stored = [(each.step, each.timestamp, 0.0 if math.isnan(each.value) else each.value, each) for each in entries]
    step, timestamp, value, latest = max(stored, key=lambda each: each[:3])
    database.execute(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)",
        (name, value, timestamp, step, math.isnan(latest.value), run_id),
    )
