"""What a kill leaves in MLflow's file store: runs that no search finds, and runs at which every search fails.

The store writes a run file by file, and none of them aside. One emptied `meta.yaml` or metric file makes MLflow's
search fail for the whole experiment, so runs are found here by the files of their tags.
"""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mlflow import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from twinverify.tracking.address import store_path

#: The tags by which we find runs again, of sweeps and of single trainings.
MARKS: Final = ("sweep_id", "training")
#: A run is made within milliseconds; an older one without a mark is not being made any more.
_MAKING_SECONDS: Final = 2.0
_PARTS: Final = ("metrics", "params", "artifacts")


def experiment_folder(client: MlflowClient, experiment_id: str) -> Path | None:
    """Give the folder of an experiment in a file store; None for others, which make a run whole or not at all."""
    uri = client.tracking_uri
    folder = store_path(uri) if uri.startswith("file:") else None
    return None if folder is None or (folder / experiment_id).is_symlink() else folder / experiment_id


def run_folders(folder: Path) -> Iterator[Path]:
    """Give the folders of the runs in an experiment's, in order; what a link leads to is not the store's to mend."""
    found = (path for path in sorted(folder.iterdir()) if re.fullmatch(r"[0-9a-f]{32}", path.name))
    return (path for path in found if path.is_dir() and not path.is_symlink())


def look_through(folder: Path, mark: str, value: str) -> tuple[list[str], list[str]]:
    """Remove what a kill spoilt of the runs with a mark, to be made anew, and of those that got none.

    Args:
        folder: an experiment's.
        mark: one of `MARKS`.
        value: what it has to be.

    Returns:
        The ids of the whole runs with the mark, and of those without any mark: being made, or left by a kill.
    """
    _mend_datasets(folder)
    ours: list[str] = []
    unmarked: list[str] = []
    for run in run_folders(folder):
        marks = {name: _text(run / "tags" / name) for name in MARKS}
        if marks[mark] == value:
            # The store writes this tag last of all.
            if _is_spoilt(run) or not (run / "tags" / MLFLOW_RUN_NAME).exists():
                shutil.rmtree(run)
            else:
                ours.append(run.name)
        elif not any(marks.values()):
            if not _is_spoilt(run):
                unmarked.append(run.name)
            elif _is_left(run):
                shutil.rmtree(run)
    return ours, unmarked


def _is_spoilt(run: Path) -> bool:
    """Tell whether MLflow cannot read a run, or would read half a line as a whole one."""
    if not all((run / part).is_dir() for part in _PARTS):
        return True
    files = (path for path in (run / "metrics").rglob("*") if path.is_file())
    return any(_is_cut(path) for path in (run / "meta.yaml", *_metas(run / "inputs"), *files))


def _metas(folder: Path) -> Iterator[Path]:
    """Give the file that each folder in one should have."""
    return (path / "meta.yaml" for path in folder.iterdir()) if folder.is_dir() else iter(())


def _mend_datasets(folder: Path) -> None:
    """Remove data sets whose writing was cut off, which MLflow would take for whole: the next run writes them anew."""
    for meta in _metas(folder / "datasets"):
        if _is_cut(meta) and _is_old(meta.parent):
            shutil.rmtree(meta.parent)


def _is_cut(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            length = stream.seek(0, 2)
            stream.seek(max(0, length - 1))
            return stream.read(1) != b"\n"
    except FileNotFoundError:
        return True


def _is_left(run: Path) -> bool:
    """Tell whether an unmarked run was left by a kill: without content, and not being made now."""
    content = any(path.is_file() for part in _PARTS if (run / part).is_dir() for path in (run / part).rglob("*"))
    return not content and _is_old(run)


def _is_old(folder: Path) -> bool:
    """Tell whether whoever made a folder has had the time to fill it."""
    return time.time() - folder.stat().st_mtime > _MAKING_SECONDS


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
