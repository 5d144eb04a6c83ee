"""The metrics of a store's runs, entry by entry: read from where they stand, and edited there where that can be."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from mlflow import MlflowClient

from twinverify.tracking.address import store_path
from twinverify.tracking.doctor.entries import Entry
from twinverify.tracking.doctor.in_files import FileHistories
from twinverify.tracking.doctor.in_sqlite import SqliteHistories

__all__ = ["EditableHistories", "Histories", "histories_of"]


class Histories(Protocol):
    """Metrics of a store."""

    def read(self, run_id: str) -> dict[str, list[Entry]]:
        """Give each metric's entries in the order written."""


@runtime_checkable
class EditableHistories(Histories, Protocol):
    """Metrics of a store whose files are at hand."""

    def keep_copy(self, run_ids: Collection[str], stamp: str) -> Path:
        """Keep a copy of what these runs hold beside the store; gives where."""

    def drop(self, run_id: str, dropped: Mapping[str, Collection[Entry]]) -> None:
        """Drop entries of a run; a metric that has none left is gone."""


class ServedHistories:
    """Metrics behind a server, whose interface has no way to take a metric back."""

    def __init__(self, client: MlflowClient) -> None:
        """Read through a client."""
        self._client = client

    def read(self, run_id: str) -> dict[str, list[Entry]]:
        """Give each metric's entries in the order of the server."""
        names = self._client.get_run(run_id).data.metrics
        return {name: self._entries(run_id, name) for name in names}

    def _entries(self, run_id: str, name: str) -> list[Entry]:
        history = self._client.get_metric_history(run_id, name)
        return [Entry(each.step, each.timestamp, each.value, place) for place, each in enumerate(history)]


def histories_of(client: MlflowClient, experiment_id: str) -> Histories:
    """Give the metrics of an experiment's runs."""
    path = store_path(client.tracking_uri)
    if path is None:
        return ServedHistories(client)
    return FileHistories(path, experiment_id) if path.is_dir() else SqliteHistories(path)
