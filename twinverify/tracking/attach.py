"""Attaches what was made of a finished sweep to the sweep's own run, in place of what was attached before."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_RUN_NOTE

from twinverify.errors import UserError
from twinverify.tracking.address import artifacts_folder, store_path
from twinverify.tracking.connect import connect
from twinverify.tracking.courier import short_reason
from twinverify.tracking.finding import find_marked

#: Does something at a run, whose id it is given.
Work = Callable[[MlflowClient, str], object]

#: Seconds after which whoever waits is told that it takes too long; a server's client would try for minutes.
PATIENCE: Final = 60.0

#: Characters of a description: databases take 8,000 of a tag.
_LONGEST_NOTE: Final = 7_500

#: Bytes a second that a store takes at the least: one that is slower than that is too slow for a model.
_SLOWEST: Final = 1e6


def patience_for(folder: Path) -> float:
    """Give the seconds to wait for a store that is sent a folder: a model of hundreds of MB takes its time."""
    return PATIENCE + sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / _SLOWEST


def at_own_run(
    uri: str, experiment: str, sweep_id: str, works: Sequence[Work], *, patience: float = PATIENCE
) -> str | None:
    """Have something done at the sweep's own run.

    Args:
        uri: tracking address, as `resolve_tracking` gives it.
        experiment: the experiment's name.
        sweep_id: the tag by which the sweep's runs are found.
        works: what to do, one after the other; after a failure the others are left.
        patience: seconds to wait at most.

    Returns:
        None if all is done, else why not; no outage raises.
    """
    reasons: list[str | None] = []

    def do() -> None:
        try:
            client, experiment_id = connect(uri, experiment)
            run_id = _own_run(client, experiment_id, sweep_id)
            for work in works:
                work(client, run_id)
            reasons.append(None)
        except Exception as error:  # whatever a store has to say must not end a sweep that is done
            reasons.append(short_reason(error))

    working = threading.Thread(target=do, name="attach", daemon=True)
    working.start()
    working.join(patience)
    return reasons[0] if reasons else "it takes too long"


def attach(files: Mapping[str, str | Path]) -> Work:
    """Give what puts files at a run; what lies beside them in a folder of theirs, from an earlier time, goes.

    Args:
        files: name of each artifact, with `/` for folders -> its text, or the file of that name.
    """

    def work(client: MlflowClient, run_id: str) -> None:
        for name, content in files.items():
            if isinstance(content, Path):
                client.log_artifact(run_id, str(content), name.rpartition("/")[0] or None)
            else:
                client.log_text(run_id, content, name)
        _remove_others(client, run_id, files)

    return work


def table(name: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Work:
    """Give what puts a table at a run, where the UI shows it as one, in place of an earlier one.

    MLflow's own `log_table` appends to the table that is there.
    """

    def work(client: MlflowClient, run_id: str) -> None:
        client.log_text(run_id, json.dumps({"columns": list(columns), "data": [list(row) for row in rows]}), name)
        known = json.loads(client.get_run(run_id).data.tags.get(MLFLOW_LOGGED_ARTIFACTS, "[]"))
        told = {"path": name, "type": "table"}
        if told not in known:
            client.set_tag(run_id, MLFLOW_LOGGED_ARTIFACTS, json.dumps([*known, told]))

    return work


def described(markdown: str) -> Work:
    """Give what puts a description at a run; of a long one whole lines are left out at its end."""
    lines = markdown.splitlines()
    while len("\n".join(lines)) > _LONGEST_NOTE:
        lines = [*lines[:-2], "…"]

    def work(client: MlflowClient, run_id: str) -> None:
        client.set_tag(run_id, MLFLOW_RUN_NOTE, "\n".join(lines))

    return work


def _own_run(client: MlflowClient, experiment_id: str, sweep_id: str) -> str:
    for run in find_marked(client, experiment_id, "sweep_id", sweep_id).runs:
        if "sweep" in run.data.tags and "trial" not in run.data.tags:
            return str(run.info.run_id)
    raise UserError("the sweep has no run there")


def _remove_others(client: MlflowClient, run_id: str, files: Mapping[str, str | Path]) -> None:
    folders = sorted({name.partition("/")[0] for name in files if "/" in name})
    old = [path for folder in folders for path in _listed(client, run_id, folder) if path not in files]
    place = client.get_run(run_id).info.artifact_uri
    if old and _is_the_stores(place, client.tracking_uri):
        repository = get_artifact_repository(place, tracking_uri=client.tracking_uri)
        for path in old:
            repository.delete_artifacts(path)  # type: ignore[no-untyped-call]


def _is_the_stores(place: str, uri: str) -> bool:
    """Tell whether a run's files lie where its store keeps them: a store may say of any folder that they lie there."""
    if urlsplit(place).scheme not in {"", "file"}:
        return True  # the server's, which looks after it
    store = store_path(uri)
    if store is None:
        return False
    own = store if uri.startswith("file:") else artifacts_folder(store)
    return (store_path(place) or Path(place)).resolve().is_relative_to(own.resolve())


def _listed(client: MlflowClient, run_id: str, folder: str) -> Iterator[str]:
    for each in client.list_artifacts(run_id, folder):
        if each.is_dir:
            yield from _listed(client, run_id, each.path)
        else:
            yield each.path
