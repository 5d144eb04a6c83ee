"""Brings one MLflow run up to date with a record: only what the run lacks is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

#: MLflow's limits for one `log_batch`.
_METRICS_A_BATCH: Final = 1000
_PARAMS_A_BATCH: Final = 100
_STATUS: Final = {"running": "RUNNING", "completed": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


class Record(Protocol):
    """What a run is made from: a trial as the journal tells it, or a single training."""

    number: int
    values: dict[str, Any]
    state: Any
    cause: str | None
    drawn_at: float
    ended_at: float | None
    reports: list[dict[str, float]]
    reported_at: list[float]


@dataclass
class Delivered:
    """What MLflow holds of a record."""

    run_id: str
    steps: dict[str, int] = field(default_factory=dict)
    params: set[str] = field(default_factory=set)
    state: str = "running"
    paused: bool = False

    @classmethod
    def of(cls, client: MlflowClient, run_id: str) -> Self:
        """Ask the store, metric by metric: a crash in the middle of a batch can leave their last steps uneven."""
        run = client.get_run(run_id)
        # `data.metrics` has the last values only; the steps stand in the entities behind it.
        steps = {metric.key: metric.step for metric in run.data._metric_objs}
        state = run.data.tags.get("trial_state", "running")
        paused = state == "running" and run.info.status != _STATUS["running"]
        return cls(run_id, steps, set(run.data.params), state, paused)

    def update(self, client: MlflowClient, record: Record, config: str | None = None) -> None:
        """Write what is missing: values, reports (one batch), state; `config` becomes the artifact config.yaml."""
        if self.paused:
            client.update_run(self.run_id, status=_STATUS["running"])
            self.paused = False
        if config is not None and not self.params:
            client.log_text(self.run_id, config, "config.yaml")
        params = [Param(key, str(value)) for key, value in record.values.items() if key not in self.params]
        metrics = missing_metrics(record, self.steps)
        while metrics or params:
            batch, metrics = metrics[:_METRICS_A_BATCH], metrics[_METRICS_A_BATCH:]
            client.log_batch(self.run_id, batch, params[:_PARAMS_A_BATCH])
            self.steps.update({metric.key: metric.step for metric in batch})
            self.params.update(param.key for param in params[:_PARAMS_A_BATCH])
            params = params[_PARAMS_A_BATCH:]
        if record.state not in ("running", self.state):
            self._end(client, record)

    def pause(self, client: MlflowClient) -> None:
        """End the run as KILLED until the next update."""
        client.set_terminated(self.run_id, "KILLED")
        self.paused = True

    def reopen(self, client: MlflowClient) -> None:
        """Take back that the run has ended, so that it can end anew."""
        if self.state != "running":
            client.set_tag(self.run_id, "trial_state", "running")
            if "cause" in client.get_run(self.run_id).data.tags:
                client.delete_tag(self.run_id, "cause")
            self.state = "running"

    def _end(self, client: MlflowClient, record: Record) -> None:
        ended = milliseconds(record.ended_at) if record.ended_at else None
        client.set_terminated(self.run_id, _STATUS[record.state], ended)
        tags = [RunTag("cause", record.cause)] if record.cause else []
        # Last of all, since it is what `of` goes by: a crash before it has all of this done again.
        client.log_batch(self.run_id, tags=[*tags, RunTag("trial_state", record.state)])
        self.state = record.state


def missing_metrics(record: Record, steps: Mapping[str, int]) -> list[Metric]:
    """Give the metrics beyond the last step of each key: step = epoch from 1, each once."""
    return [
        Metric(key, value, milliseconds(at), epoch)
        for epoch, (metrics, at) in enumerate(zip(record.reports, record.reported_at, strict=True), 1)
        for key, value in metrics.items()
        if epoch > steps.get(key, 0)
    ]


def milliseconds(seconds: float) -> int:
    """Give a time in MLflow's unit."""
    return round(seconds * 1000)
