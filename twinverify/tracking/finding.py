"""Finds the runs that bear a tag of ours, in whatever state a kill left the store."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run

from twinverify.tracking.leftovers import experiment_folder, look_through

#: Runs of one request. A file store reads all of its runs again for each.
_PAGE: Final = 5000


@dataclass(frozen=True)
class Found:
    """Runs of the store.

    Attributes:
        runs: those with the wanted tag.
        unmarked: folders of those without a tag of ours, by name and start in ms: somebody else's, being made just now,
            or what a kill left of the making; a file store's only, since others make a run whole or not at all.
    """

    runs: list[Run]
    unmarked: dict[tuple[str, int], Path] = field(default_factory=dict)


def find_marked(client: MlflowClient, experiment_id: str, mark: str, value: str) -> Found:
    """Find runs by one of `leftovers.MARKS`; those in a file store that a kill spoilt are removed."""
    quote = '"' if "'" in value else "'"
    condition = f"tags.{mark} = {quote}{value}{quote}"
    folder = experiment_folder(client, experiment_id)
    if folder is None:
        return Found(find_runs(client, experiment_id, condition))
    ours, unmarked = look_through(folder, mark, value)
    try:
        runs = find_runs(client, experiment_id, condition)
    except Exception:
        # Another sweep's run is spoilt, and MLflow's search fails for all. One by one takes twice as long.
        runs = [run for run in map(client.get_run, ours) if run.info.lifecycle_stage == LifecycleStage.ACTIVE]
    others = [(each, run) for each in unmarked if (run := _get(client, each)) is not None]
    # By the folder's own name: what the run says of its id may lead elsewhere, and some of these are removed.
    return Found(runs, {(run.info.run_name, run.info.start_time): folder / each for each, run in others})


def find_runs(client: MlflowClient, experiment_id: str, condition: str) -> list[Run]:
    """Give all runs of an experiment that meet a condition in MLflow's filter language, page by page."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _get(client: MlflowClient, run_id: str) -> Run | None:
    """Give a run; None where it cannot be read: another process is just making it."""
    with suppress(Exception):
        return client.get_run(run_id)
    return None
