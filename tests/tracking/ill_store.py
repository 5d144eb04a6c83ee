"""Stores of all kinds that tests make ill by hand, and the doctor who sees them."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from twinverify.environment import prepare

prepare()

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric, Run, RunTag  # noqa: E402

from twinverify import doctor  # noqa: E402
from twinverify.tracking.finding import find_runs  # noqa: E402
from twinverify.tracking.store import open_experiment  # noqa: E402

#: Two days ago, in seconds.
LONG_AGO = time.time() - 2 * 86400


class IllStore:
    """One experiment `old` in a store, beside another, `other`."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.uri, self.folder = uri, folder
        self.experiment, self.other = (open_experiment(uri, name) for name in ("old", "other"))
        self.client = MlflowClient(uri)

    def run(
        self,
        name: str,
        metrics: Mapping[str, Sequence[tuple[int, float]]] = {},
        *,
        status: str | None = "FINISHED",
        tags: Mapping[str, str] = {},
        params: Mapping[str, str] = {},
        experiment: str | None = None,
        at: float = LONG_AGO,
    ) -> str:
        """Make a run; `metrics` are steps and values in the order written, `status=None` leaves it RUNNING."""
        start = round(at * 1000)
        place = experiment or self.experiment
        run_id: str = self.client.create_run(place, start, dict(tags), run_name=name).info.run_id
        for key, entries in metrics.items():
            for number, (step, value) in enumerate(entries):
                self.client.log_batch(run_id, [Metric(key, value, start + number, step)])
        for key, value in params.items():
            self.client.log_param(run_id, key, value)
        if status:
            self.client.set_terminated(run_id, status, start + 1000)
        self.age(run_id, at)
        return run_id

    def tune_trial(self, number: int, metrics: Mapping[str, Sequence[tuple[int, float]]], **more: object) -> str:
        """Make a run as Tune's callback leaves it."""
        name = f"train_5f3a1_{number:05d}"
        return self.run(name, metrics, tags={"trial_name": name}, params={"lr": str(number)}, **more)  # type: ignore[arg-type]

    def age(self, run_id: str, at: float = LONG_AGO) -> None:
        """Let a run's files be old."""
        for path in self.folder.rglob(f"*/{run_id}/**/*"):
            os.utime(path, (at, at))

    def tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag."""
        self.client.log_batch(run_id, tags=[RunTag(key, value)])
        self.age(run_id)

    def runs(self, experiment: str | None = None) -> dict[str, Run]:
        """Give an experiment's runs by name."""
        found = find_runs(self.client, experiment or self.experiment, "")
        return {run.info.run_name: run for run in found}

    def history(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Give step and value of all that MLflow tells of a metric."""
        return [(entry.step, entry.value) for entry in self.client.get_metric_history(run_id, key)]

    def doctor(self, *words: str) -> int:
        """Have the doctor see the experiment."""
        words = words if any(word.startswith("output=") for word in words) else (*words, f"output={self.folder}/sweeps")
        return doctor.main([f"tracking={self.uri}", "experiment=old", *words])

    def files(self, experiment: str) -> dict[str, bytes]:
        """Give the bytes of an experiment's folder."""
        return {str(path): path.read_bytes() for path in (self.folder / experiment).rglob("*") if path.is_file()}
