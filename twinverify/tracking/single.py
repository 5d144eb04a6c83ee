"""The MLflow run of one training outside a sweep."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from mlflow import MlflowClient

from twinverify.tracking.courier import Courier
from twinverify.tracking.delivery import Content, Delivered, milliseconds
from twinverify.tracking.finding import find_marked
from twinverify.tracking.record import Record

_PATIENCE: Final = 15.0
#: MLflow's databases hold 250 letters.
_LONGEST_NAME: Final = 200
_PATIENCE_WHEN_STOPPED: Final = 3.0


class TrainingRun:
    """Delivers a training; one that goes on finds its run by the tag `training`."""

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        key: str,
        name: str,
        tags: Mapping[str, str],
        content: Content,
    ) -> None:
        """Find the run; none is made yet.

        Args:
            client: a client of the store.
            experiment_id: where the run goes.
            key: tells this training from every other.
            name: its name, for people.
            tags: further tags of the run.
            content: what it holds beside.
        """
        self._client, self._experiment_id = client, experiment_id
        self._key, self._name, self._tags, self._content = key, name, tags, content
        found = find_marked(client, experiment_id, "training", key)
        runs = sorted((Delivered.of(run) for run in found.runs), key=lambda each: each.size)
        for other in runs[:-1]:
            client.delete_run(other.run_id)
        self._delivered = runs[-1] if runs else None

    def deliver(self, training: Record) -> None:
        """Bring the run up to date: created, config.yaml, values, reports, state.

        A training that is taken up tells its past again; what the run has of it is left as it is.
        """
        if self._delivered is None:
            tags = {"training": self._key, **self._tags, "trial_state": "running"}
            started = milliseconds(training.drawn_at)
            run = self._client.create_run(self._experiment_id, started, tags, run_name=self._name[:_LONGEST_NAME])
            self._delivered = Delivered(run.info.run_id)
        self._delivered.update(self._client, training, self._content)

    def pause(self) -> None:
        """Show in MLflow that nothing runs any more, until the training goes on."""
        if self._delivered is not None and self._delivered.state == "running":
            self._delivered.pause(self._client)


@dataclass
class SingleRun:
    """Collects a training's reports, and has its run kept up to date."""

    courier: Courier[TrainingRun]
    values: dict[str, Any]
    number: int = 0
    state: Literal["running", "completed", "failed"] = "running"
    cause: str | None = None
    drawn_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    reported_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Have the run created, or found."""
        self.courier.take(self)

    def report(self, metrics: Mapping[str, float], at: float | None = None) -> None:
        """Have the next epoch delivered; what the store has already, from before an interruption, is not repeated."""
        self.reports.append(dict(metrics))
        self.reported_at.append(time.time() if at is None else at)
        self.courier.take(self)

    def end(self, state: Literal["completed", "failed"], cause: str | None = None) -> str | None:
        """Give the run its final state, and wait until all is delivered; gives None, or why it is not."""
        self.state, self.cause, self.ended_at = state, cause, time.time()
        self.courier.take(self)
        try:
            return self.courier.finish(None, _PATIENCE)
        except KeyboardInterrupt:
            self.pause()
            raise

    def pause(self) -> str | None:
        """Show in MLflow that nothing runs any more, until the training goes on; gives None, or why it cannot."""
        return self.courier.finish(TrainingRun.pause, _PATIENCE_WHEN_STOPPED, at_most=_PATIENCE_WHEN_STOPPED)
