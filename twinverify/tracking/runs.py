"""The MLflow runs of one sweep: a parent, and one child a trial, for good, whatever was interrupted in between."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from twinverify.errors import UserError
from twinverify.tracking.delivery import Delivered, Record, milliseconds

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _told(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """Tell a store that has gone away or is full in one line; MLflow raises bare exceptions for some of it."""

    @wraps(method)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(*args, **kwargs)
        except UserError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            told = f"tracking: MLflow's store cannot be used any more ({reason})"
            raise UserError(f"{told}; mend it and continue the sweep: nothing is lost") from error

    return call


class SweepRuns:
    """Delivers trials to MLflow; what is there already, from before an interruption, is neither repeated nor lost."""

    @_told
    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        sweep_id: str,
        name: str,
        tags: Mapping[str, str],
        description: str,
    ) -> None:
        """Find this sweep's runs by their tag `sweep_id`, or create its parent run.

        Args:
            client: a client of the store.
            experiment_id: where the runs go.
            sweep_id: tells this sweep from every other, also of the same name.
            name: the sweep's name, for people.
            tags: tags of every run of the sweep.
            description: Markdown for the parent run's page.
        """
        self._client, self._experiment_id = client, experiment_id
        self._tags = {**tags, "sweep": name, "sweep_id": sweep_id}
        runs = find_runs(client, experiment_id, f"tags.sweep_id = '{sweep_id}'")
        self._delivered = {
            int(run.data.tags["trial"]): Delivered.of(client, run.info.run_id)
            for run in runs
            if "trial" in run.data.tags
        }
        parents = [run.info.run_id for run in runs if "trial" not in run.data.tags]
        if parents:
            self.parent_id = parents[0]
            client.update_run(self.parent_id, status="RUNNING")
        else:
            note = {MLFLOW_RUN_NOTE: description}
            self.parent_id = client.create_run(experiment_id, tags=self._tags | note, run_name=name).info.run_id

    @_told
    def deliver(self, trial: Record, config: str | None = None) -> None:
        """Bring a trial's run up to date: created, values, reports, state; `config` becomes its config.yaml."""
        if trial.number not in self._delivered:
            self._delivered[trial.number] = self._create(trial)
        self._delivered[trial.number].update(self._client, trial, config)

    def deliver_all(self, trials: Sequence[Record]) -> None:
        """Bring every trial's run up to date."""
        for trial in trials:
            self.deliver(trial)

    @_told
    def artifact(self, text: str, name: str) -> None:
        """Attach a text file to the parent run."""
        self._client.log_text(self.parent_id, text, name)

    @_told
    def pause(self, running: Sequence[Record]) -> None:
        """Show in MLflow that nothing runs any more: KILLED, until the sweep goes on."""
        for trial in running:
            if trial.number in self._delivered:
                self._delivered[trial.number].pause(self._client)
        self._client.set_terminated(self.parent_id, "KILLED")

    @_told
    def finish(self, status: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """End the parent run with `status` (FINISHED, FAILED or KILLED) and the sweep's result."""
        now, trials = milliseconds(time.time()), len(self._delivered)
        known = self._client.get_run(self.parent_id).data.metrics
        # A sweep that goes on ends more than once: each result once, at the number of trials that it stands for.
        batch = [Metric(key, value, now, trials) for key, value in metrics.items() if known.get(key) != value]
        self._client.log_batch(self.parent_id, batch, (), [RunTag(key, value) for key, value in tags.items()])
        self._client.set_terminated(self.parent_id, status)

    def _create(self, trial: Record) -> Delivered:
        name = f"trial {trial.number:03d}" + (" (default)" if trial.number == 0 else "")
        # `sweep_id`, by which runs are found, comes last: MLflow's file store writes tag by tag.
        own = {MLFLOW_PARENT_RUN_ID: self.parent_id, "trial": str(trial.number), "trial_state": "running"}
        started = milliseconds(trial.drawn_at)
        run = self._client.create_run(self._experiment_id, start_time=started, tags=own | self._tags, run_name=name)
        return Delivered(run.info.run_id)


def find_runs(client: MlflowClient, experiment_id: str, condition: str) -> list[Run]:
    """Give all runs of an experiment that meet a condition in MLflow's filter language, page by page."""
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], condition, max_results=1000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs
