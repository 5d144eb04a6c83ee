"""Reads an MLflow file store as it lies on the disk, without MLflow: what a kill left half written shows."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


@dataclass(frozen=True)
class StoredRun:
    """A run; each metric's history as (step, value), in the order written."""

    id: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, list[tuple[int, float]]] = field(repr=False)

    def steps(self) -> set[int]:
        """Give all steps that any of its metrics has."""
        return {step for history in self.metrics.values() for step, _ in history}


def read_store(store: Path) -> tuple[list[StoredRun], list[str]]:
    """Give the runs of all experiments, and what is no whole run, in words."""
    runs, broken = [], []
    for folder in sorted(path for path in store.glob("[0-9]*/*") if _looks_like_a_run(path)):
        try:
            runs.append(_read_run(folder))
        except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
            broken.append(f"run {folder.name}: {type(error).__name__}: {error}")
    return runs, broken


def _looks_like_a_run(path: Path) -> bool:
    return path.is_dir() and len(path.name) == 32


def _read_run(folder: Path) -> StoredRun:
    meta = yaml.safe_load((folder / "meta.yaml").read_text())
    return StoredRun(
        folder.name,
        _STATUS[int(meta["status"])],
        _texts(folder / "tags"),
        _texts(folder / "params"),
        {str(path.relative_to(folder / "metrics")): _history(path) for path in _files(folder / "metrics")},
    )


def _texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in _files(folder)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _history(path: Path) -> list[tuple[int, float]]:
    lines = [line.split(" ") for line in path.read_text().splitlines()]
    return [(int(step), float(value)) for _, value, step, *_ in lines]
