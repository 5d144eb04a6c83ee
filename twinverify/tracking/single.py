"""The MLflow run of one training outside a sweep."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlflow import MlflowClient

from twinverify.tracking.delivery import Delivered, milliseconds
from twinverify.tracking.runs import find_runs


@dataclass
class SingleRun:
    """Collects a training's reports and delivers each; a training that goes on finds its run by the tag `training`."""

    client: MlflowClient
    experiment_id: str
    key: str
    name: str
    tags: Mapping[str, str]
    values: dict[str, Any]
    config: str
    number: int = 0
    state: Literal["running", "completed", "failed"] = "running"
    cause: str | None = None
    drawn_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    reported_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Find the run, or create it."""
        found = find_runs(self.client, self.experiment_id, f"tags.training = '{self.key}'")
        if found:
            self._delivered = Delivered.of(self.client, found[0].info.run_id)
            self.client.update_run(self._delivered.run_id, status="RUNNING")
            self._delivered.reopen(self.client)
        else:
            tags = {**self.tags, "training": self.key, "trial_state": "running"}
            started = milliseconds(self.drawn_at)
            run = self.client.create_run(self.experiment_id, started, tags, run_name=self.name)
            self._delivered = Delivered(run.info.run_id)
        self._update()

    def report(self, metrics: Mapping[str, float]) -> None:
        """Deliver the next epoch; one that the store has already, from before an interruption, is not written again."""
        self.reports.append(dict(metrics))
        self.reported_at.append(time.time())
        self._update()

    def end(self, state: Literal["completed", "failed"], cause: str | None = None) -> None:
        """Give the run its final state."""
        self.state, self.cause, self.ended_at = state, cause, time.time()
        self._update()

    def pause(self) -> None:
        """Show in MLflow that nothing runs any more, until the training goes on."""
        self._delivered.pause(self.client)

    def _update(self) -> None:
        self._delivered.update(self.client, self, self.config)
