"""Brings one MLflow run up to date with a record: only what the run lacks is written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from twinverify.tracking.batches import METRICS_A_BATCH, PARAMS_A_BATCH
from twinverify.tracking.dataset import SideFacts, dataset_inputs
from twinverify.tracking.record import OURS, Record

CONFIG_FILE: Final = "config.yaml"
#: Letters of a tag that is read in a table.
_LONGEST_CAUSE: Final = 1000
_STATUS: Final = {"running": "RUNNING", "completed": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


@dataclass(frozen=True)
class Content:
    """What a run holds beside values and reports; asked for when it is written.

    Attributes:
        config: gives its config.yaml.
        data: gives what is told of its data; nothing before the training has begun.
        files: gives the files that are attached once the training has ended.
    """

    config: Callable[[], str]
    data: Callable[[], Sequence[SideFacts]] = tuple
    files: Callable[[], Iterable[Path]] = tuple


@dataclass
class Delivered:
    """What MLflow holds of a record."""

    run_id: str
    status: str = _STATUS["running"]
    state: str = "running"
    cause: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    #: The last step of each metric, and its value there.
    steps: dict[str, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    #: It stands before the parameters, so that these vouch for it.
    has_config: bool = False
    has_data: bool = False
    #: They stand before the state, so that this vouches for them.
    has_files: bool = False

    @classmethod
    def of(cls, run: Run) -> Self:
        """Take what a run tells, as a search gives it: a crash in a batch can leave the metrics' last steps uneven."""
        # `data.metrics` has no steps.
        metrics = run.data.to_proto().metrics
        has_config = bool(run.data.params) and not _lost(run.info.artifact_uri)
        return cls(
            run.info.run_id,
            status=run.info.status,
            # A crash can leave a tag empty.
            state=run.data.tags.get("trial_state") or "running",
            cause=run.data.tags.get("cause") or None,
            params=dict(run.data.params),
            steps={metric.key: metric.step for metric in metrics},
            last={metric.key: metric.value for metric in metrics},
            has_config=has_config,
            has_data=len(run.inputs.dataset_inputs) > 1 if run.inputs else False,
            has_files=has_config and run.data.tags.get("trial_state", "running") != "running",
        )

    @property
    def size(self) -> tuple[int, int, bool]:
        """What ranks several runs of one record: the fullest is the largest."""
        return sum(self.steps.values()), len(self.params), self.state != "running"

    def agrees(self, record: Record) -> bool:
        """Tell whether all that the run holds stands in the record too; otherwise no writing could make it right.

        A journal that lost its end makes its runs disagree: what is done again differs in speed and time at least.
        """
        if self.state not in ("running", record.state) or not self.params.items() <= _texts(record.values).items():
            return False
        keys = set().union(*record.reports)
        return all(
            0 < step <= len(record.reports) and record.reports[step - 1].get(key) == self.last[key]
            for key, step in self.steps.items()
            if key in keys or key.startswith(OURS)
        )

    def update(self, client: MlflowClient, record: Record, content: Content) -> None:
        """Write what is missing: config.yaml, values and reports in batches, data, files, state."""
        if record.state == "running":
            self._run(client)
        if not self.has_config:
            client.log_text(self.run_id, content.config(), CONFIG_FILE)
            self.has_config = True
        params = [Param(key, text) for key, text in _texts(record.values).items() if key not in self.params]
        metrics = missing_metrics(record, self.steps)
        while metrics or params:
            batch, metrics = metrics[:METRICS_A_BATCH], metrics[METRICS_A_BATCH:]
            client.log_batch(self.run_id, batch, params[:PARAMS_A_BATCH])
            self.steps.update({metric.key: metric.step for metric in batch})
            self.params.update({param.key: param.value for param in params[:PARAMS_A_BATCH]})
            params = params[PARAMS_A_BATCH:]
        if record.reports or record.state != "running":
            self._tell_data(client, content)
        if record.state != "running":
            self._attach(client, content)
            self._end(client, record)

    def pause(self, client: MlflowClient) -> None:
        """End the run as KILLED until the next update."""
        client.set_terminated(self.run_id, "KILLED")
        self.status = "KILLED"

    def _run(self, client: MlflowClient) -> None:
        """Take back that the run was paused, or that it has ended, so that it can end anew."""
        self.has_files = False
        if self.state != "running":
            client.set_tag(self.run_id, "trial_state", "running")
            self.state = "running"
        self._drop_cause(client)
        if self.status != _STATUS["running"]:
            client.update_run(self.run_id, status=_STATUS["running"])
            self.status = _STATUS["running"]

    def _tell_data(self, client: MlflowClient, content: Content) -> None:
        """Log what is told of the data; the store takes a data set that the run has already as the same."""
        if self.has_data:
            return
        sides = content.data()
        if sides:
            client.log_inputs(self.run_id, datasets=dataset_inputs(sides))
        self.has_data = True

    def _attach(self, client: MlflowClient, content: Content) -> None:
        """Attach the files, each in place of an earlier one of its name."""
        if self.has_files:
            return
        for path in content.files():
            client.log_artifact(self.run_id, str(path))
        self.has_files = True

    def _end(self, client: MlflowClient, record: Record) -> None:
        status, cause = _STATUS[record.state], (record.cause or "")[:_LONGEST_CAUSE] or None
        if (self.status, self.state, self.cause) == (status, record.state, cause):
            return
        if cause is None:
            self._drop_cause(client)
        ended = milliseconds(record.ended_at) if record.ended_at else None
        client.set_terminated(self.run_id, status, ended)
        tags = [RunTag("cause", cause)] if cause else []
        # Last of all, since it is what `of` goes by: a crash before it has all of this done again.
        client.log_batch(self.run_id, tags=[*tags, RunTag("trial_state", record.state)])
        self.status, self.state, self.cause = status, record.state, cause

    def _drop_cause(self, client: MlflowClient) -> None:
        if self.cause is not None:
            client.delete_tag(self.run_id, "cause")
            self.cause = None


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


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def _lost(artifact_uri: str) -> bool:
    """Tell whether a run's artifacts should lie on this machine, and config.yaml does not."""
    if not artifact_uri.startswith("file:"):
        return False
    return not (Path(url2pathname(urlsplit(artifact_uri).path)) / CONFIG_FILE).exists()
