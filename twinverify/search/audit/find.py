"""Finds the MLflow runs of a sweep, in whatever state a kill left the store; makes and mends nothing."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinverify.search.audit.store import StoredRuns, UnreadableRun, reason_of, told_if_unreadable
from twinverify.search.planned import StoredSweep
from twinverify.tracking.address import resolve_tracking, store_path, without_password

if TYPE_CHECKING:
    from mlflow.entities import Run


def stored_runs(stored: StoredSweep, tracking: str | None = None) -> StoredRuns | None:
    """Find the runs of a sweep; None where it has no tracking.

    Args:
        stored: what the sweep was started with.
        tracking: where to look; None = where the sweep writes.

    Raises:
        UserError: the store cannot be reached or read.
    """
    uri = resolve_tracking(tracking or stored.options.tracking)
    if uri is None:
        return None
    name, path, place = stored.options.experiment, store_path(uri), without_password(uri)
    # MLflow's client would make what is not there.
    if path is not None and not path.exists():
        return StoredRuns(uri, f"{place}, where no store is")
    from mlflow import MlflowClient

    with told_if_unreadable(uri):
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            how = "is no experiment" if experiment is None else "was deleted the experiment"
            return StoredRuns(uri, f"{place}, where there {how} {name}")
        experiment_id = str(experiment.experiment_id)
        if path is not None and uri.startswith("file:"):
            return _in_folder(StoredRuns(uri, place, client), path / experiment_id, stored.sweep_id)
        from twinverify.tracking.finding import find_runs

        return StoredRuns(
            uri, place, client, tuple(find_runs(client, experiment_id, f"tags.sweep_id = '{stored.sweep_id}'"))
        )


def _in_folder(store: StoredRuns, folder: Path, sweep_id: str) -> StoredRuns:
    """Find runs by the files of their tags: one run that a kill spoilt makes every search of a file store fail."""
    assert store.client is not None
    runs: list[Run] = []
    unmarked: list[Run] = []
    unreadable: list[UnreadableRun] = []
    for place in sorted(folder.iterdir()):
        mark = _text(place / "tags" / "sweep_id")
        is_run = (place / "tags").is_dir()
        if not is_run or (mark != sweep_id and (mark or _text(place / "tags" / "training"))):
            continue
        try:
            run = store.client.get_run(place.name)
        except Exception as error:  # whatever half a file makes of it
            if mark:
                unreadable.append(UnreadableRun(place.name, _text(place / "tags" / "trial"), reason_of(error)))
            continue
        if run.info.lifecycle_stage == "active":
            (runs if mark else unmarked).append(run)
    return replace(store, runs=tuple(runs), unmarked=tuple(unmarked), unreadable=tuple(unreadable))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
