"""The MLflow runs of one sweep: a parent, and one child a trial, for good, whatever was interrupted in between."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Run, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from twinverify.tracking.dataset import SideFacts, dataset_inputs
from twinverify.tracking.delivery import Content, Delivered, milliseconds
from twinverify.tracking.finding import find_marked, find_runs
from twinverify.tracking.record import Record

__all__ = ["SweepRuns", "find_runs"]


class SweepRuns:
    """Delivers trials to MLflow; what is there already, from before an interruption, is neither repeated nor lost.

    What the store holds is asked once, at the start; whatever goes wrong later, a new object finds out anew.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        *,
        sweep_id: str,
        name: str,
        tags: Mapping[str, str],
        description: str,
        config: Callable[[int], str],
        data: Callable[[int], Sequence[SideFacts]] = lambda _: (),
        files: Callable[[int], Iterable[Path]] = lambda _: (),
        below: str | None = None,
    ) -> None:
        """Find this sweep's runs by their tag `sweep_id`; nothing is made yet.

        Args:
            client: a client of the store.
            experiment_id: where the runs go.
            sweep_id: tells this sweep from every other, also of the same name.
            name: the sweep's name, for people.
            tags: tags of every run of the sweep.
            description: Markdown for the parent run's page.
            config: gives the config.yaml of a trial's number.
            data: gives what is told of its data.
            files: gives what is attached to it once it has ended.
            below: id of the sweep whose own run this one's stands below, where that is in the store.
        """
        self._client, self._experiment_id = client, experiment_id
        self._sweep_id, self._name, self._tags, self._description = sweep_id, name, tags, description
        self._below = below
        self._config, self._data, self._files = config, data, files
        found = find_marked(client, experiment_id, "sweep_id", sweep_id)
        self._unmarked = found.unmarked
        self._parents: list[Run] = []
        self._found: dict[int, list[Run]] = {}
        for run in found.runs:
            if "sweep" not in run.data.tags:  # the last one to be written: the making of this run was cut off
                client.delete_run(run.info.run_id)
            elif "trial" in run.data.tags:
                self._found.setdefault(int(run.data.tags["trial"]), []).append(run)
            else:
                self._parents.append(run)
        self._parent_id: str | None = None
        self._delivered: dict[int, Delivered] = {}

    def deliver(self, trial: Record) -> None:
        """Bring a trial's run up to date: created, config.yaml, values, reports, state.

        Trial 0 is to come first: the sweep's own run begins with it.
        """
        self._parent_id = self._parent_id or self._the_parent(trial)
        if trial.number not in self._delivered:
            self._delivered[trial.number] = self._the_run(trial, self._parent_id)
        of = trial.number
        content = Content(partial(self._config, of), partial(self._data, of), partial(self._files, of))
        self._delivered[of].update(self._client, trial, content)

    @property
    def parent_id(self) -> str:
        """The sweep's own run; there is one after the first delivery."""
        assert self._parent_id is not None
        return self._parent_id

    def artifact(self, text: str, name: str) -> None:
        """Attach a text file to the parent run."""
        self._client.log_text(self.parent_id, text, name)

    def attach(self, files: Iterable[Path], sides: Sequence[SideFacts]) -> None:
        """Attach files, and what is told of the data, to the parent run; what it has already stays once."""
        for path in files:
            self._client.log_artifact(self.parent_id, str(path))
        self._client.log_inputs(self.parent_id, datasets=dataset_inputs(sides))

    def pause(self, running: Sequence[int]) -> None:
        """Show in MLflow that nothing runs any more: KILLED, until the sweep goes on.

        Args:
            running: the numbers of the trials that have not ended.
        """
        for number in self._delivered.keys() & running:
            self._delivered[number].pause(self._client)
        self._client.set_terminated(self.parent_id, "KILLED")

    def finish(self, status: str, metrics: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """End the parent run with `status` (FINISHED or FAILED) and the sweep's result."""
        # Trials that a journal which lost its end no longer knows.
        for run in [run for runs in self._found.values() for run in runs]:
            self._client.delete_run(run.info.run_id)
        now, trials = milliseconds(time.time()), len(self._delivered)
        known = self._client.get_run(self.parent_id).data.metrics
        # A sweep that goes on ends more than once: each result once, at the number of trials that it stands for.
        batch = [Metric(key, value, now, trials) for key, value in metrics.items() if known.get(key) != value]
        self._client.log_batch(self.parent_id, batch, (), [RunTag(key, value) for key, value in tags.items()])
        self._client.set_terminated(self.parent_id, status)

    def _the_parent(self, first: Record) -> str:
        """Give the sweep's own run, made where it is missing; of several, that which the most trials stand below."""
        if not self._parents:
            return self._create(first, self._name, {MLFLOW_RUN_NOTE: self._description} | self._outer())
        below = Counter(run.data.tags.get(MLFLOW_PARENT_RUN_ID) for runs in self._found.values() for run in runs)
        parent, *others = sorted(self._parents, key=lambda run: (-below[run.info.run_id], run.info.start_time))
        for run in others:
            self._client.delete_run(run.info.run_id)
        if parent.info.status != "RUNNING":
            self._client.update_run(parent.info.run_id, status="RUNNING")
        return str(parent.info.run_id)

    def _outer(self) -> dict[str, str]:
        """Give the tag that puts this sweep's own run below another sweep's."""
        if self._below is None:
            return {}
        found = find_marked(self._client, self._experiment_id, "sweep_id", self._below).runs
        outer = [run.info.run_id for run in found if "sweep" in run.data.tags and "trial" not in run.data.tags]
        return {MLFLOW_PARENT_RUN_ID: str(outer[0])} if outer else {}

    def _the_run(self, trial: Record, parent: str) -> Delivered:
        """Give a trial's run: the fullest of those that are right, the others deleted; made where there is none."""
        known = {run.info.run_id: (run, Delivered.of(run)) for run in self._found.pop(trial.number, [])}
        right = sorted((each for _, each in known.values() if each.agrees(trial)), key=lambda each: each.size)
        for run_id in known.keys() - {each.run_id for each in right[-1:]}:
            self._client.delete_run(run_id)
        if right:
            run, delivered = known[right[-1].run_id]
            if run.data.tags.get(MLFLOW_PARENT_RUN_ID) != parent:
                self._client.set_tag(delivered.run_id, MLFLOW_PARENT_RUN_ID, parent)
            return delivered
        name = f"trial {trial.number:03d}" + (" (default)" if trial.number == 0 else "")
        own = {MLFLOW_PARENT_RUN_ID: parent, "trial": str(trial.number), "trial_state": "running"}
        return Delivered(self._create(trial, name, own))

    def _create(self, trial: Record, name: str, own: Mapping[str, str]) -> str:
        started = milliseconds(trial.drawn_at)
        cut = self._unmarked.pop((name, started), None)
        if cut is not None:
            shutil.rmtree(cut)
        # A file store writes tag by tag: the first is what a run is found by, the last tells that it has them all.
        tags = {"sweep_id": self._sweep_id, **own, **self._tags, "sweep": self._name}
        run = self._client.create_run(self._experiment_id, start_time=started, tags=tags, run_name=name)
        return str(run.info.run_id)
