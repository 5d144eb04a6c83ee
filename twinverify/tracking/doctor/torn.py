"""Runs of a file store that a kill tore: one of them makes MLflow's search fail for the whole experiment."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from twinverify.tracking.doctor.alive import newest_change
from twinverify.tracking.doctor.in_files import metric_files, parsed, rewrite
from twinverify.tracking.leftovers import run_folders

_PARTS = ("metrics", "params", "tags", "artifacts")
_NEEDED = {"run_id", "experiment_id", "status", "start_time", "artifact_uri", "lifecycle_stage"}


@dataclass(frozen=True)
class Torn:
    """A run that MLflow cannot read, or would read wrongly.

    Attributes:
        run: its folder.
        lost: whether what it is (`meta.yaml`) is gone, so that nothing can make it a run again.
        cut: the metric files that have cut lines.
    """

    run: Path
    lost: bool
    cut: tuple[Path, ...] = ()


def find_torn(experiment: Path | None, stale: float) -> tuple[list[Torn], list[str]]:
    """Give the torn runs of an experiment's folder, and the ids of those that may be being written just now."""
    torn: list[Torn] = []
    young: list[str] = []
    for run in run_folders(experiment) if experiment is not None else ():
        found = _examined(run)
        if found is None:
            continue
        if time.time() - newest_change(run) < stale:
            young.append(run.name)
        else:
            torn.append(found)
    return torn, young


def mend(torn: Torn, kept: Path) -> None:
    """Take a torn run's cut lines away; one that is no run any more goes aside whole.

    Args:
        torn: the run.
        kept: where its original is put, which is not there yet.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    if torn.lost:
        shutil.move(torn.run, kept)
        return
    if torn.cut:
        shutil.copytree(torn.run / "metrics", kept / "metrics")
    for part in _PARTS:
        (torn.run / part).mkdir(exist_ok=True)
    for file in torn.cut:
        rewrite(torn.run, file, "".join(_whole_lines(file)))


def _examined(run: Path) -> Torn | None:
    if not _is_run(run / "meta.yaml"):
        return Torn(run, lost=True)
    cut = tuple(file for _, file in metric_files(run) if not (text := _text(file)) or "".join(_whole(text)) != text)
    parts = all((run / part).is_dir() for part in _PARTS)
    return None if parts and not cut else Torn(run, lost=False, cut=cut)


def _is_run(meta: Path) -> bool:
    try:
        tree = yaml.safe_load(meta.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    return isinstance(tree, dict) and tree.keys() >= _NEEDED


def _whole_lines(file: Path) -> list[str]:
    return _whole(_text(file))


def _text(file: Path) -> str:
    return file.read_bytes().decode("utf-8", errors="replace")


def _whole(text: str) -> list[str]:
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n") and _is_entry(line)]


def _is_entry(line: str) -> bool:
    try:
        parsed(line, 0)
    except ValueError:
        return False
    return True
