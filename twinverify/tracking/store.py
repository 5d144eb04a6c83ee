"""The experiment in MLflow's store that all runs of a sweep belong to."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from twinverify.errors import UserError, did_you_mean
from twinverify.tracking.address import artifacts_folder, resolve_tracking, store_path, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

__all__ = ["EXPERIMENT", "KIND_TAG", "MODEL_TRAINING", "find_experiment", "open_experiment", "resolve_tracking"]

EXPERIMENT: Final = "twin-verification-hyperparameter-search"

#: What tells MLflow's UI that this experiment is about model training: without it, it takes it for a GenAI one, whose
#: run list has no metric columns.
KIND_TAG: Final = "mlflow.experimentKind"
MODEL_TRAINING: Final = "custom_model_development"

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
    with _explained(uri, name), _alone(uri):
        client = _client(uri)
        experiment = _find_or_make(client, uri, name)
        _show_as_model_training(client, experiment)
    return str(experiment.experiment_id)


def find_experiment(uri: str, name: str | None) -> "tuple[MlflowClient, str]":
    """Give a client of a store and the id of an experiment in it; makes nothing.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        name: The experiment's name; None for that of the sweeps or, without sweeps, the one last used.

    Raises:
        UserError: There is no store, or no such experiment in it, or it was deleted, or MLflow cannot use this store.
    """
    if not _holds_experiments(uri):
        raise UserError(_NO_RUNS.format(without_password(uri)))
    with _explained(uri, name or EXPERIMENT):
        client = _client(uri)
        experiment = client.get_experiment_by_name(name or EXPERIMENT) or _other(client, uri, name)
        _check_not_deleted(experiment, uri)
        _show_as_model_training(client, experiment)
    return client, str(experiment.experiment_id)


def _holds_experiments(uri: str) -> bool:
    """Look without MLflow, whose client would lay a store out."""
    path = store_path(uri)
    if path is None:
        return True
    return any(path.glob("*/meta.yaml")) if uri.startswith("file:") else path.is_file()


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

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def _explained(uri: str, name: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        cause = str(error).partition("\n")[0]
        raise UserError(f"tracking {without_password(uri)}: experiment {name} cannot be opened: {cause}") from error


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
            f"MLFLOW_ALLOW_FILE_STORE=true MLFLOW_TRACKING_URI={without_password(uri)} "
            f"mlflow experiments restore -x {experiment.experiment_id}, or choose another name with experiment=NAME"
        )


def _show_as_model_training(client: "MlflowClient", experiment: "Experiment") -> None:
    """Set the UI's view, unless somebody chose one: `…_inferred` is only what the UI guessed."""
    kind = experiment.tags.get(KIND_TAG, "no_inferred_type")
    if kind == "no_inferred_type" or kind.endswith("_inferred"):
        client.set_experiment_tag(experiment.experiment_id, KIND_TAG, MODEL_TRAINING)


def _artifact_location(uri: str, name: str) -> str | None:
    """Give an absolute folder beside an SQLite file: MLflow's default there is `./mlruns` of whoever comes first."""
    path = store_path(uri)
    if path is None or uri.startswith("file:"):
        return None
    return (artifacts_folder(path) / re.sub(r"[^\w.-]+", "_", name)).as_uri()


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Hold the local store's lock; a server looks after itself."""
    from filelock import FileLock

    path = store_path(uri)
    if path is None:
        yield
        return
    in_folder = uri.startswith("file:")
    (path if in_folder else path.parent).mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".twinverify.lock" if in_folder else path.with_name(f".{path.name}.lock")):
        yield
