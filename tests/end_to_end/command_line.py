"""Drives the commands as a user does: in a process of their own."""

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

#: Few enough people and epochs for a 2-core machine, enough families for a twin EER.
SMALL = (
    "synthetic.families=16",
    "synthetic.images=4",
    "batch.people=8",
    "model.width=48",
    "model.depth=2",
    "model.pwca.blocks=2",
    "model.image_size=32",
)


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str
    #: Of the command and what it started and waited for; unlike the clock's, the same on a busy machine.
    cpu_seconds: float


def environment() -> dict[str, str]:
    """Give an environment like a user's: nothing that tells the libraries that this is a test."""
    hidden = ("CI", "PYTEST", "MLFLOW", "RAY", "TUNE", "DO_NOT_TRACK", "COLUMNS")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def start(*words: str, cwd: Path) -> "subprocess.Popen[str]":
    """Start `python -m twinverify.WORDS` in a process group of its own.

    A sweep makes its results at the end, which takes longer than all else of a small one, only where that is asked for.
    """
    if words[0] == "tune" and not any(word.startswith("results=") for word in words):
        words = (*words, "results=false")
    return subprocess.Popen(
        [sys.executable, "-m", f"twinverify.{words[0]}", *words[1:]],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def call(*words: str, cwd: Path, timeout: float = 300) -> Finished:
    """Run a command to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(*words, cwd=cwd)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_tree(process)
        raise
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Finished(process.returncode, out, err, used)


def kill_tree(process: "subprocess.Popen[str]") -> None:
    """SIGKILL a command with all that it started, Ray's servers and workers included, and wait until they are gone."""
    import psutil

    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        member.send_signal(signal.SIGKILL)
    process.communicate()
    psutil.wait_procs(family[1:], timeout=10)


def wait_until(true: Any, seconds: float, what: str) -> None:
    """Wait for a condition, and fail with `what` where it never holds."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.1)


@dataclass(frozen=True)
class Store:
    """An MLflow file store, read back."""

    folder: Path

    @property
    def uri(self) -> str:
        """Its address."""
        return self.folder.as_uri().replace("file://", "file:")

    @property
    def client(self) -> MlflowClient:
        """A client of it."""
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        return MlflowClient(self.uri)

    def runs(self, experiment: str = "twin-verification-hyperparameter-search") -> list[Run]:
        """Give all runs of an experiment."""
        found = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([found.experiment_id], max_results=5000)) if found else []

    def trials(self) -> list[Run]:
        """Give the child runs by trial number."""
        runs = [run for run in self.runs() if "trial" in run.data.tags]
        return sorted(runs, key=lambda run: int(run.data.tags["trial"]))

    def steps(self, run: Run, metric: str) -> list[int]:
        """Give the steps of one metric's history, in the order written."""
        return [entry.step for entry in self.client.get_metric_history(run.info.run_id, metric)]


@dataclass(frozen=True)
class Sweep:
    """A finished sweep that many tests read and none changes."""

    finished: Finished
    folder: Path
    store: Store
    words: tuple[str, ...]
