"""The experiment in MLflow's store that all runs of a sweep belong to."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from twinverify.errors import UserError, did_you_mean
from twinverify.tracking.address import artifacts_folder, resolve_tracking, store_path, without_password
from twinverify.tracking.database import check_database, is_database
from twinverify.tracking.explain import explained
from twinverify.tracking.health import server_trouble

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

__all__ = [
    "EXPERIMENT",
    "KIND_TAG",
    "MODEL_TRAINING",
    "alone",
    "experiment_name",
    "find_experiment",
    "look_up_experiment",
    "open_experiment",
    "resolve_tracking",
    "store_trouble",
]

EXPERIMENT: Final = "twin-verification-hyperparameter-search"

#: What tells MLflow's UI that this experiment is about model training: without it, it takes it for a GenAI one, whose
#: run list has no metric columns.
KIND_TAG: Final = "mlflow.experimentKind"
MODEL_TRAINING: Final = "custom_model_development"

#: MLflow's databases hold 256 letters.
_LONGEST_NAME: Final = 200
_NO_RUNS: Final = "there are no runs in {} yet; python -m twinverify.tune space=glca_heads makes some"


def open_experiment(uri: str, name: str) -> str:
    """Give the id of an experiment, made where it is missing; safe when several processes do it at once.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        name: The experiment's name.

    Raises:
        UserError: The experiment was deleted in the UI, or MLflow cannot use this store.
    """
    # Within the lock: a file store, and an SQLite one more so, is laid out when its client first looks at it.
    with explained(uri, name), alone(uri):
        _lay_out(uri)
        client = _client(uri)
        experiment = _find_or_make(client, uri, name)
        _show_as_model_training(client, experiment)
    return str(experiment.experiment_id)


def store_trouble(uri: str, experiment: str) -> str | None:
    """Say what keeps the runs of an experiment from being written now; None where nothing does. Makes nothing.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        experiment: The experiment's name; it need not be there yet.
    """
    trouble = server_trouble(uri)
    if trouble:
        return f"tracking {without_password(uri)}: {trouble}"
    try:
        if _holds_experiments(uri):
            with explained(uri, experiment):
                found = _client(uri).get_experiment_by_name(experiment)
            if found is not None:
                _check_not_deleted(found, uri)
        else:
            _check_can_be_made(uri)
    except UserError as error:
        return str(error)
    return None


def experiment_name(value: str) -> str:
    """Check a name of an experiment: every kind of store takes it, and one line shows it."""
    # MLflow's file store looks for a name in its filter language, which knows no way to write a quote.
    is_odd = not value.isprintable() or not set("'\"`\\").isdisjoint(value)
    if not value.strip() or len(value) > _LONGEST_NAME or is_odd:
        shown = value if len(value) <= _LONGEST_NAME else f"{value[:20]}…"
        allowed = f"1 to {_LONGEST_NAME} letters and signs on one line, no quotes or backslashes"
        raise ValueError(f"experiment is {shown!r}; allowed: {allowed}")
    return value


def find_experiment(uri: str, name: str | None) -> "tuple[MlflowClient, str]":
    """Give a client of a store and the id of an experiment in it; makes nothing.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        name: The experiment's name; None for that of the sweeps or, without sweeps, the one last used.

    Raises:
        UserError: There is no store, or no such experiment in it, or it was deleted, or MLflow cannot use this store.
    """
    client, experiment = _found(uri, name)
    with explained(uri, experiment.name):
        _show_as_model_training(client, experiment)
    return client, str(experiment.experiment_id)


def look_up_experiment(uri: str, name: str) -> "tuple[MlflowClient, str]":
    """Give a client of a store and the id of an experiment in it; makes and changes nothing.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        name: The experiment's name.

    Raises:
        UserError: There is no store, or no such experiment in it, or it was deleted, or MLflow cannot use this store.
    """
    client, experiment = _found(uri, name)
    return client, str(experiment.experiment_id)


def _found(uri: str, name: str | None) -> "tuple[MlflowClient, Experiment]":
    if not _holds_experiments(uri):
        raise UserError(_NO_RUNS.format(without_password(uri)))
    with explained(uri, name or EXPERIMENT):
        client = _client(uri)
        experiment = client.get_experiment_by_name(name or EXPERIMENT) or _other(client, uri, name)
        _check_not_deleted(experiment, uri)
    return client, experiment


def _check_can_be_made(uri: str) -> None:
    """Try it beside where a local store is to be: permissions alone do not tell (a share of another's, `/proc`)."""
    path = store_path(uri)
    if path is None:
        return
    nearest = next(place for place in (path, *path.parents) if place.is_dir())
    try:
        with TemporaryDirectory(prefix=".twinverify-", dir=nearest):
            pass
    except OSError as error:
        raise UserError(
            f"tracking {path}: cannot be made ({error.strerror}); choose another place with tracking=FOLDER"
        ) from None


def _holds_experiments(uri: str) -> bool:
    """Look without MLflow, whose client would lay a store out."""
    if is_database(uri):
        check_database(uri, without_password(uri))
    path = store_path(uri)
    if path is None:
        return True
    # In .trash lie those that were deleted.
    any_experiment = (each for pattern in ("*/meta.yaml", ".trash/*/meta.yaml") for each in path.glob(pattern))
    return any(any_experiment) if uri.startswith("file:") else path.is_file() and path.stat().st_size > 0


def _other(client: "MlflowClient", uri: str, name: str | None) -> "Experiment":
    others = client.search_experiments(order_by=["last_update_time DESC"])
    if not others:
        raise UserError(_NO_RUNS.format(without_password(uri)))
    if name:
        known = [other.name for other in others]
        raise UserError(f"experiment {name} is not in {without_password(uri)}; {did_you_mean(name, known)}")
    return others[0]


def _client(uri: str) -> "MlflowClient":
    # Imported here: MLflow takes seconds, and addresses are checked before anything heavy.
    from mlflow import MlflowClient

    if uri.startswith("file:") and _holds_experiments(uri):
        # An empty folder, which not every copy of a store has; MLflow cannot list the experiments without it.
        with suppress(OSError):
            (Path(store_path(uri) or "") / ".trash").mkdir(exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _find_or_make(client: "MlflowClient", uri: str, name: str) -> "Experiment":
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            client.create_experiment(name, _artifact_location(uri, name), tags={KIND_TAG: MODEL_TRAINING})
        except MlflowException as error:
            # A server has no lock that we could hold: another process may have been first.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            raise MlflowException(f"it was made, and is gone again ({name})")
    _check_not_deleted(experiment, uri)
    return experiment


def _check_not_deleted(experiment: "Experiment", uri: str) -> None:
    if experiment.lifecycle_stage == "deleted":
        raise UserError(
            f"experiment {experiment.name} was deleted in the MLflow UI; bring it back with "
            f"MLFLOW_ALLOW_FILE_STORE=true MLFLOW_TRACKING_URI={quote(without_password(uri))} "
            f"mlflow experiments restore -x {experiment.experiment_id}, or name another: experiment=NAME"
        )


def _show_as_model_training(client: "MlflowClient", experiment: "Experiment") -> None:
    """Set the UI's view, unless somebody chose one: `…_inferred` is only what the UI guessed."""
    kind = experiment.tags.get(KIND_TAG, "no_inferred_type")
    if kind == "no_inferred_type" or kind.endswith("_inferred"):
        client.set_experiment_tag(experiment.experiment_id, KIND_TAG, MODEL_TRAINING)


def _lay_out(uri: str) -> None:
    """Make the tables of a new SQLite file, and its experiment `Default` with a place of its own for artifacts."""
    root = _artifact_location(uri, "Default")
    if root is not None and not _holds_experiments(uri):
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(uri, root.rpartition("/")[0])  # type: ignore[no-untyped-call]


def _artifact_location(uri: str, name: str) -> str | None:
    """Give an absolute folder beside an SQLite file: MLflow's default there is `./mlruns` of whoever comes first."""
    path = store_path(uri)
    if path is None or uri.startswith("file:"):
        return None
    return (artifacts_folder(path) / re.sub(r"[^\w.-]+", "_", name)).as_uri()


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Hold the local store's lock, which whoever opens an experiment waits for; a server looks after itself."""
    from filelock import FileLock

    path = store_path(uri)
    if path is None:
        yield
        return
    in_folder = uri.startswith("file:")
    (path if in_folder else path.parent).mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".twinverify.lock" if in_folder else path.with_name(f".{path.name}.lock")):
        yield
