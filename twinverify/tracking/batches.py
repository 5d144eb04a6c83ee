"""MLflow's limits for one `log_batch`, and a way to write that keeps to them."""

from collections.abc import Sequence
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

METRICS_A_BATCH: Final = 1000
PARAMS_A_BATCH: Final = 100


def write_in_batches(
    client: MlflowClient, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()
) -> None:
    """Write metrics and parameters to a run, however many there are."""
    for first in range(0, len(metrics), METRICS_A_BATCH):
        client.log_batch(run_id, metrics[first : first + METRICS_A_BATCH])
    for first in range(0, len(params), PARAMS_A_BATCH):
        client.log_batch(run_id, params=params[first : first + PARAMS_A_BATCH])
