"""From how many runs on a file store is better moved into a database, and the command that does it."""

from pathlib import Path
from shlex import quote
from typing import Final

from twinverify.tracking.address import store_path

#: Up to so many runs of 50 epochs, MLflow's run list takes under 3 s on plain files: `benchmarks/large_store.py`.
MANY_RUNS: Final = 400


def advice(uri: str) -> str | None:
    """Say how a store that has grown large is moved; None for one that is small, and for all but file stores.

    Args:
        uri: tracking address, as `resolve_tracking` gives it.
    """
    folder = store_path(uri) if uri.startswith("file:") else None
    if folder is None:
        return None
    runs = sum(1 for _ in folder.glob("[0-9]*/*/meta.yaml"))
    if runs <= MANY_RUNS:
        return None
    database = folder.with_name("mlflow_runs.db")
    return (
        f"{runs} runs in plain files are slow to list; with no sweep running, copy them into a database, to be "
        f"named by {quote(f'tracking=sqlite:///{database}')} from then on (artifacts stay where they are): "
        f"{move_command(folder, database)}"
    )


def move_command(folder: Path, database: Path) -> str:
    """Give the command that copies all runs of a file store into a new SQLite file, with their ids."""
    quiet = "MLFLOW_DISABLE_TELEMETRY=true"
    return f"{quiet} mlflow migrate-filestore --source {quote(str(folder))} --target {quote(f'sqlite:///{database}')}"
