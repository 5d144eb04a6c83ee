"""Adds metrics to a run that has ended."""

from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Metric

from twinverify.tracking.attach import Work
from twinverify.tracking.delivery import milliseconds


def late_metrics(metrics: Mapping[str, float], *, step: int, at: float) -> Work:
    """Give what logs metrics at a run, but for those that it has at this step already.

    Args:
        metrics: by name.
        step: of all of them.
        at: when, seconds since the epoch.
    """

    def work(client: MlflowClient, run_id: str) -> None:
        missing = [name for name in metrics if not _has(client, run_id, name, step)]
        if missing:
            client.log_batch(run_id, [Metric(name, metrics[name], milliseconds(at), step) for name in missing], (), ())

    return work


def _has(client: MlflowClient, run_id: str, name: str, step: int) -> bool:
    return any(entry.step == step for entry in client.get_metric_history(run_id, name))
