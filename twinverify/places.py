"""Where things lie: the project's folders, found from whatever directory a command is started in."""

from pathlib import Path
from typing import Final

from twinverify.errors import UserError

_MARK: Final = "search_spaces"


def project_root() -> Path:
    """Give the folder that holds `search_spaces/`, `tune_runs/` and `mlflow_experiments/`.

    It is the nearest folder at or above the current one that has `search_spaces/`; else the checkout that this package
    was installed from; else the current folder.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / _MARK).is_dir():
            return folder
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / _MARK).is_dir() else here


def spaces_folder() -> Path:
    """Give the folder of the search spaces."""
    return project_root() / _MARK


def runs_folder() -> Path:
    """Give the folder of the sweeps."""
    return project_root() / "tune_runs"


def output_folder(given: Path | None) -> Path:
    """Give the folder of the sweeps that `output=` names, absolute; `tune_runs/` where nothing is given.

    Raises:
        UserError: it is a file.
    """
    folder = (given or runs_folder()).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UserError(f"output {folder}: is a file; give a folder with output=…")
    return folder


def store_folder() -> Path:
    """Give the folder of MLflow's file store."""
    return project_root() / "mlflow_experiments"
