"""Makes an MLflow run of a foreign one: once, however often it is asked, and going on where it was interrupted."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE

from twinverify.errors import UserError
from twinverify.tracking.batches import write_in_batches
from twinverify.tracking.courier import short_reason
from twinverify.tracking.delivery import milliseconds
from twinverify.tracking.finding import find_runs
from twinverify.tracking.migration.foreign import ForeignRun, Point, leaves, number_of
from twinverify.tracking.migration.names import mapped

#: By this tag a migrated run is found again.
KEY_TAG: Final = "migrated_from"
#: The last to be written: how many values the run had; with it, all of them are there.
_DONE_TAG: Final = "migrated_values"
_STATUS: Final = {"finished": "FINISHED", "failed": "FAILED", "crashed": "FAILED"}
_OTHERWISE: Final = "KILLED"
#: MLflow's limits.
_LONGEST_PARAM: Final = 6000
_LONGEST_TAG: Final = 5000


@dataclass
class Tally:
    """What a migration has done.

    Attributes:
        new: runs that were made.
        completed: runs that lacked something.
        known: runs that had all.
        values: values of metrics that were written.
        renamed: name there -> name in MLflow, where they differ.
        left_out: what was no number in time, by kind -> how often.
        told: what readers had to say.
    """

    new: int = 0
    completed: int = 0
    known: int = 0
    values: int = 0
    renamed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)


class Arrivals:
    """The migrated runs of an experiment."""

    def __init__(self, client: MlflowClient, experiment_id: str) -> None:
        """Ask the store for those that are there.

        Raises:
            UserError: the experiment cannot be searched.
        """
        self._client, self._experiment_id = client, experiment_id
        try:
            runs = find_runs(client, experiment_id, f"tags.{KEY_TAG} LIKE 'wandb:%'")
        except MlflowException as error:  # one run that a kill tore makes every search fail
            raise UserError(
                f"the experiment cannot be searched ({short_reason(error)}); python -m twinverify.doctor with its "
                "experiment= and tracking=, repair=true and stale=1m mends what a kill tore"
            ) from error
        self._known: dict[str, Run] = {run.data.tags[KEY_TAG]: run for run in runs}
        #: Keys of the parents that do not say RUNNING any more.
        self._ended: set[str] = set()
        #: Keys of the runs that have come without an id.
        self._by_name: set[str] = set()
        self.tally = Tally()

    def take(self, run: ForeignRun) -> None:
        """Bring a run's MLflow run up to date."""
        self._count(run)
        if self._is_refused(run):
            return
        points = [*run.points, *_of_summary(run)]
        names, params = mapped(point.name for point in points), _texts(run.config)
        renamed = {name: new for name, new in (names | mapped(params)).items() if name != new}
        self.tally.renamed |= renamed
        there = self._known.get(run.key)
        if there is not None and there.data.tags.get(_DONE_TAG) == str(len(points)):
            self.tally.known += 1
            return
        started = run.started or min((point.at for point in points if point.at), default=time.time())
        there = self._the_run(run, there, started)
        self._write_params(there, params)
        self._write_points(there, points, names, started)
        self._write_files(there, run, params, renamed)
        run_id, ended = there.info.run_id, _end(run, points, started)
        self._client.set_terminated(run_id, _STATUS.get((run.state or "finished").lower(), _OTHERWISE), ended)
        self._client.set_tag(run_id, _DONE_TAG, str(len(points)))

    def _count(self, run: ForeignRun) -> None:
        self.tally.told += [f"{run.name}: {line}" for line in run.told]
        for kind, count in run.left_out.items():
            self.tally.left_out[kind] = self.tally.left_out.get(kind, 0) + count

    def _is_refused(self, run: ForeignRun) -> bool:
        """Tell whether nothing can be made of a run, and why."""
        if run.is_empty:
            name = run.name or "a run without a name"
            self.tally.told.append(f"{name}: nothing could be read of it, so nothing is made of it")
            return True
        if run.run_id is not None:
            return False
        if run.key in self._by_name:
            line = f"{run.name}: a second run of this name, and without ids: left out; export the ids too"
            self.tally.told.append(line)
            return True
        self._by_name.add(run.key)
        return False

    def _the_run(self, run: ForeignRun, there: Run | None, started: float) -> Run:
        """Give the run to be filled: made, or with the tags that an interruption kept from it."""
        tags = {KEY_TAG: run.key, **_tags(run), **self._parent_tag(run, started)}
        if there is None:
            self.tally.new += 1
            return self._create(run.name or run.run_id or "run", started, tags)
        self.tally.completed += 1
        for name in tags.keys() - there.data.tags.keys():
            self._client.set_tag(there.info.run_id, name, tags[name])
        return there

    def _create(self, name: str, started: float, tags: Mapping[str, str]) -> Run:
        made = self._client.create_run(self._experiment_id, milliseconds(started), dict(tags), run_name=name)
        self._known[tags[KEY_TAG]] = made
        return made

    def _parent_tag(self, run: ForeignRun, started: float) -> dict[str, str]:
        """Give the tag that puts a run below the run of its sweep, or else of its group; made where it is missing."""
        kind, own = ("sweep", run.sweep) if run.sweep else ("group", run.group)
        if not own:
            return {}
        key = f"wandb:{run.entity or '?'}/{run.project or '?'}/{kind}:{own}"
        parent = self._known.get(key)
        if parent is None:
            parent = self._create(f"{kind} {own}", started, {KEY_TAG: key, f"wandb_{kind}": own})
        if key not in self._ended and parent.info.status == "RUNNING":
            self._client.set_terminated(parent.info.run_id, "FINISHED")
        self._ended.add(key)
        return {MLFLOW_PARENT_RUN_ID: str(parent.info.run_id)}

    def _write_params(self, there: Run, params: Mapping[str, str]) -> None:
        names = mapped(params)
        missing = [
            Param(names[key], _short(text)) for key, text in params.items() if names[key] not in there.data.params
        ]
        write_in_batches(self._client, there.info.run_id, params=missing)

    def _write_points(self, there: Run, points: list[Point], names: Mapping[str, str], started: float) -> None:
        run_id = there.info.run_id
        present = {
            (name, entry.step) for name in there.data.metrics for entry in self._client.get_metric_history(run_id, name)
        }
        missing = [
            Metric(names[each.name], each.value, milliseconds(each.at or started), each.step)
            for each in points
            if (names[each.name], each.step) not in present
        ]
        write_in_batches(self._client, run_id, missing)
        self.tally.values += len(missing)

    def _write_files(self, there: Run, run: ForeignRun, params: Mapping[str, str], renamed: Mapping[str, str]) -> None:
        told = {
            "key": run.key,
            "state": run.state,
            "summary": run.summary,
            "renamed": renamed,
            "left_out": run.left_out,
            "long_parameters": {key: text for key, text in params.items() if len(text) > _LONGEST_PARAM},
            "notes": run.told,
        }
        self._client.log_text(there.info.run_id, json.dumps(told, indent=1, default=str), "wandb.json")
        if isinstance(run.log, Path):
            self._client.log_artifact(there.info.run_id, str(run.log))
        elif run.log:
            self._client.log_text(there.info.run_id, run.log, "output.log")


def _of_summary(run: ForeignRun) -> list[Point]:
    """Give the numbers of the summary that no history has, at the run's last step."""
    known = {point.name for point in run.points}
    last = max((point.step for point in run.points if not point.name.startswith("system/")), default=0)
    numbers = {name: number_of(value) for name, value in leaves(run.summary) if not name.startswith("_")}
    return [
        Point(name, last, run.ended, value)
        for name, value in numbers.items()
        if value is not None and name not in known
    ]


def _tags(run: ForeignRun) -> dict[str, str]:
    told = {
        "wandb_run_id": run.run_id,
        "wandb_project": run.project,
        "wandb_entity": run.entity,
        "wandb_state": run.state,
        "wandb_tags": ", ".join(run.labels),
        "wandb_group": run.group,
        "wandb_job_type": run.job_type,
        "wandb_sweep": run.sweep,
        "wandb_host": run.host,
        MLFLOW_GIT_COMMIT: run.commit,
        MLFLOW_RUN_NOTE: run.notes,
    }
    return {name: value[:_LONGEST_TAG] for name, value in told.items() if value}


def _texts(config: Mapping[str, Any]) -> dict[str, str]:
    """Give the parameters: dotted keys, text as it is, all else as JSON has it."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in leaves(config)
        if name != "_wandb" and not name.startswith("_wandb.")
    }


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_PARAM else text[: _LONGEST_PARAM - 1] + "…"


def _end(run: ForeignRun, points: list[Point], started: float) -> int:
    told = [point.at for point in points if point.at]
    return milliseconds(run.ended or max(told, default=started))
