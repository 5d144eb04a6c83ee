"""Finds what there is to migrate in a folder or a file."""

from collections.abc import Collection
from pathlib import Path

from twinverify.errors import UserError
from twinverify.tracking.migration.foreign import Source
from twinverify.tracking.migration.wandb_csv import csv_sources
from twinverify.tracking.migration.wandb_folder import check_package, folder_sources, run_folders
from twinverify.tracking.migration.wandb_json import json_sources

_JSON = (".json", ".jsonl")


def find_sources(place: Path, params: Collection[str] | None) -> list[Source]:
    """Give the runs in a folder or a file; those in folders are read when their turn comes.

    Args:
        place: a folder of runs (or with `wandb/` in it), one run's, a folder of exports, an export, a `.wandb` file.
        params: columns of a table that are parameters.

    Raises:
        UserError: there is nothing at `place`, or nothing known.
    """
    if not place.exists():
        raise UserError(f"from={place}: there is no such folder or file")
    if place.is_file():
        return _file_sources(place, params)
    folders = run_folders(place)
    exports = sorted(path for path in place.iterdir() if path.suffix == ".csv")
    trees = sorted(path for path in place.iterdir() if path.suffix in _JSON)
    if folders:
        check_package()
        return folder_sources(folders)
    found = [source for file in trees for source in json_sources(file)]
    found += csv_sources(exports, params) if exports else []
    if not found:
        raise UserError(
            f"from={place}: no runs; looked for run-* and offline-run-* with a .wandb file, here and in wandb/, "
            "and for exports: *.csv, *.json, *.jsonl"
        )
    return found


def _file_sources(file: Path, params: Collection[str] | None) -> list[Source]:
    match file.suffix.lower():
        case ".csv":
            return csv_sources([file], params)
        case ".json" | ".jsonl":
            return json_sources(file)
        case ".wandb":
            check_package()
            return folder_sources([file.resolve().parent])
    raise UserError(f"from={file}: of another format; known are .wandb, .csv, .json and .jsonl")
