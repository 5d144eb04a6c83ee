"""Metrics in MLflow's file store: a file a metric, a line an entry."""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from twinverify.durable import sync_folder, write_text
from twinverify.errors import UserError
from twinverify.tracking.doctor.entries import Entry, without

#: What is written aside lies in the run's folder, where MLflow takes it for nothing; among the metrics, one that a kill
#: left would be a metric.
_ASIDE: Final = ".doctor"


class FileHistories:
    """Metrics of the runs of one experiment."""

    def __init__(self, store: Path, experiment_id: str) -> None:
        """Read and edit below a store's folder."""
        self._store, self._experiment_id = store, experiment_id

    def read(self, run_id: str) -> dict[str, list[Entry]]:
        """Give each metric's entries in the order written."""
        return {name: _entries(file) for name, file in metric_files(self._run(run_id))}

    def keep_copy(self, run_ids: Collection[str], stamp: str) -> Path:
        """Copy the runs' metrics, as they are, to a folder beside the store."""
        kept = make_kept_folder(self._store, stamp)
        for run_id in run_ids:
            shutil.copytree(self._run(run_id) / "metrics", kept / self._experiment_id / run_id / "metrics")
        return kept

    def drop(self, run_id: str, dropped: Mapping[str, Collection[Entry]]) -> None:
        """Rewrite the files whole, aside; the time of the last change stays: it tells when the run last wrote."""
        run = self._run(run_id)
        for name, file in metric_files(run):
            if dropped.get(name):
                lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
                kept = without(_entries(file), dropped[name])
                rewrite(run, file, "".join(lines[entry.place] for entry in kept))

    def _run(self, run_id: str) -> Path:
        return self._store / self._experiment_id / run_id


def make_kept_folder(store: Path, stamp: str) -> Path:
    """Make the place beside a store where the originals of what is changed in it are kept.

    Raises:
        UserError: it cannot be made.
    """
    kept = store.with_name(f"{store.name}.before_doctor") / stamp
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{kept}: the originals cannot be kept there ({error.strerror}); nothing has been changed"
        ) from None
    return kept


def metric_files(run: Path) -> Iterator[tuple[str, Path]]:
    """Give name and file of each metric of a run."""
    metrics = run / "metrics"
    return ((file.relative_to(metrics).as_posix(), file) for file in sorted(metrics.rglob("*")) if file.is_file())


def rewrite(run: Path, file: Path, text: str) -> None:
    """Give a metric's file other lines, at one stroke; without any, it goes, with the folders that it leaves empty."""
    changed = file.stat().st_mtime_ns
    if not text:
        file.unlink()
        _remove_empty(file.parent, run / "metrics")
        return
    aside = run / _ASIDE
    write_text(aside, text)
    os.utime(aside, ns=(changed, changed))
    aside.replace(file)
    sync_folder(file.parent)


def parsed(line: str, place: int) -> Entry:
    """Read a line as MLflow does: time, value, step, and maybe two words about a data set.

    Raises:
        ValueError: it is none.
    """
    parts = line.strip().split(" ")
    if len(parts) not in (2, 3, 5):
        raise ValueError(f"{len(parts)} fields")
    return Entry(int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), float(parts[1]), place)


def _entries(file: Path) -> list[Entry]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [parsed(line, place) for place, line in enumerate(lines)]


def _remove_empty(folder: Path, top: Path) -> None:
    while folder != top and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
