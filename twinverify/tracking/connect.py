"""A connection to a store, made anew after each outage."""

import sys

from mlflow import MlflowClient

from twinverify.errors import UserError
from twinverify.tracking.file_runs import find_by_path
from twinverify.tracking.health import server_trouble
from twinverify.tracking.store import open_experiment


def connect(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    """Give a client and the id of the experiment, which is made where it is missing, as is a local store.

    Args:
        uri: tracking address, as `resolve_tracking` gives it.
        experiment: the experiment's name.

    Raises:
        UserError: the server does not answer, or the experiment cannot be opened.
    """
    trouble = server_trouble(uri)
    if trouble:
        raise UserError(trouble)
    _forget(uri)
    number = open_experiment(uri, experiment)
    client = MlflowClient(uri)
    find_by_path(client, number)
    return client, number


def _forget(uri: str) -> None:
    """Drop what MLflow keeps of a store as long as the process lives: a deleted one would never be laid out again."""
    from mlflow.tracking._tracking_service.utils import _tracking_store_registry

    _tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    databases = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    engine = databases.SqlAlchemyStore._engine_map.pop(uri, None) if databases else None
    if engine is not None:
        engine.dispose()
