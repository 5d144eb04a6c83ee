"""Workers and servers of Ray that die under a sweep, and sweeps that run beside each other."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL, Finished, Store, Sweep, call, environment, kill_tree, start, wait_until
from mlflow.entities import Run
from store_assertions import (
    assert_every_metric_has_each_epoch_once,
    assert_one_run_a_trial_below_one_parent,
    assert_tags_and_statuses,
    ends,
)
from sweep_processes import events, left_behind, of_trial, worker_of

SOONER = 120

#: Runs outside pytest, in a process that may start Ray: trials that train nothing, and a server that is killed.
_SERVER_DIES = """
import os, signal, sys, time
from pathlib import Path
from twinverify.environment import prepare
prepare()
from ray import tune
from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.ray_run import run_trials
from twinverify.search.ray_server import _servers
from twinverify.search.resources import Resources
from twinverify.search.space import load_space
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

class Counts(tune.Trainable):
    def setup(self, config):
        if config["broken"]:
            raise ModuleNotFoundError("No module named 'nothing'")
        self.epoch = 0
    def reset_config(self, config):
        self.epoch = 0
        return True
    def step(self):
        time.sleep(0.1)
        self.epoch += 1
        return {"epoch": self.epoch, "metrics": {"val/twin_eer": 0.5}}

def kill_a_server(trial):
    if trial.number == 2 and trial.epoch == 1 and not told:
        dict(_servers())["raylet"].send_signal(signal.SIGKILL)
        told.append("killed")

def run(folder, broken=False):
    folder.mkdir()
    study = SweepStudy(load_space("glca_heads", load_config("tiny")), "random", 0)
    state = SweepState(folder, study, None, objective="val/twin_eer", epochs=2)
    state.listeners.append(kill_a_server)
    shares = Resources(cpus=2, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=2)
    task = lambda trial: {"trial": trial.number, "broken": broken}
    try:
        run_trials(state, task, folder=folder, trials=4, resources=shares, actor=Counts,
                   on_death=lambda *_: None, on_restart=told.append)
    except UserError as error:
        print(error)
    return sorted(trial.state for trial in state.trials)

if __name__ == "__main__":
    told, root = [], Path(sys.argv[1])
    print(run(root / "well"), told)
    print(set(run(root / "broken", broken=True)))
"""


def test_a_server_of_ray_that_dies_costs_no_trial_and_a_worker_that_cannot_start_is_told(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(_SERVER_DIES)
    words = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(words, env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "['completed', 'completed', 'completed', 'completed'] ['killed', 'raylet (killed by signal 9)']",
        "workers: 4 in a row died, each before it could start (ModuleNotFoundError: No module named 'nothing');"
        " mend that and continue the sweep: nothing is lost",
        "{'running'}",
    ]


def metrics_of(folder: Path, number: int) -> list[Any]:
    """Give what a trial drew, and then its metrics epoch by epoch."""
    told = of_trial(folder, number)
    return [values if event == "drawn" else metrics for event, _, _, _, values, metrics in told if event != "failed"]


def test_a_trial_whose_worker_is_killed_goes_on_three_times_and_the_other_does_not_notice(
    sweep: Sweep, tmp_path: Path
) -> None:
    store, folder = Store(tmp_path / "store"), tmp_path / "runs" / "glca_heads"
    words = [word for word in sweep.words if not word.startswith(("tracking", "trials", "concurrency"))]
    process = start(
        *words, "trials=2", "scheduler=none", "concurrency=2", "cpus=2", f"tracking={store.uri}", cwd=tmp_path
    )
    killed: set[int] = set()
    others: set[int] = set()

    def ready_to_die(reports: int) -> bool:
        worker, other = worker_of(folder, 1), worker_of(folder, 0)
        others.update({other.pid} if other else ())
        enough = len(metrics_of(folder, 1)) - 1 >= reports
        return enough and worker is not None and worker.is_running() and worker.pid not in killed

    for reports in (0, 1, 1, 2):
        wait_until(lambda reports=reports: ready_to_die(reports), SOONER, f"a worker after {len(killed)} deaths")
        worker = worker_of(folder, 1)
        assert worker is not None
        worker.kill()
        killed.add(worker.pid)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")

    assert metrics_of(folder, 0) == metrics_of(sweep.folder, 0)
    assert len(others) == 1
    swept = Sweep(sweep.finished, folder, store, tuple(words))
    assert ends(swept) == {0: "completed", 1: "failed"}
    again = re.findall(r"trial 1: its worker died \((.+)\); it (.+) \(death (\d) of at most 3\)", out)
    assert [death for _, _, death in again] == ["1", "2", "3"]
    assert {cause for cause, _, _ in again} == {"killed, perhaps for want of memory"}
    ways = [how for _, how, _ in again]
    assert ways[0] == "begins again"
    # On a busy machine a kill can come an epoch late; no epoch that was reported is ever lost.
    behind = [int(re.fullmatch(r"goes on after epoch (\d)", how)[1]) for how in ways[1:]]  # type: ignore[index]
    assert behind == sorted(behind)
    assert behind[0] >= 1
    # From its last epoch each time, to the numbers of one that nothing befell.
    alone, befallen = metrics_of(sweep.folder, 1), metrics_of(folder, 1)
    assert len(befallen) >= 3
    assert befallen == alone[: len(befallen)]
    assert_one_run_a_trial_below_one_parent(swept)
    assert_every_metric_has_each_epoch_once(swept)
    assert_tags_and_statuses(swept, space="glca_heads", dataset="synthetic")


@dataclass(frozen=True)
class StoreOfOne(Store):
    """What an MLflow store has of one of its sweeps."""

    sweep: str

    def runs(self, experiment: str = "twin-verification-hyperparameter-search") -> list[Run]:
        """Give the runs of the sweep."""
        return [run for run in super().runs(experiment) if run.data.tags["sweep"] == self.sweep]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start commands, and kill those that a failed test leaves running."""
    begun = []

    def starts(*words: str) -> "subprocess.Popen[str]":
        begun.append(start(*words, cwd=tmp_path))
        return begun[-1]

    yield starts
    for process in begun:
        if process.poll() is None:
            kill_tree(process)


def test_two_sweeps_beside_each_other_do_not_meet_and_a_sweep_is_run_once_at_a_time(
    tmp_path: Path, begin: Callable[..., "subprocess.Popen[str]"]
) -> None:
    runs, store = tmp_path / "runs", Store(tmp_path / "store")
    common = ("config=tiny", "scheduler=none", "epochs=2", "output=runs", f"tracking={store.uri}", *SMALL)
    one = ("tune", "space=glca_heads", "trials=4", "cpus=2", "concurrency=2", *common)
    # Both decode into the cache that they share.
    process, beside = begin(*one), begin("tune", "space=optim", "trials=3", "concurrency=1", *common)
    for reports in (3, 6):
        wait_until(lambda reports=reports: len(events(runs / "glca_heads")) >= reports, SOONER, f"{reports} events")
        if reports == 3:
            # Held, since it could come to its end while the other command starts.
            process.send_signal(signal.SIGSTOP)
            refused = call(*one, cwd=tmp_path)
            assert refused.status == 2
            assert f"sweep glca_heads is being run by process {process.pid} on " in refused.err
        kill_tree(process)
        process = begin(*one)
    for each, name, trials in ((process, "glca_heads", 4), (beside, "optim", 3)):
        out, err = each.communicate(timeout=300)
        assert (each.returncode, err) == (0, ""), name
        own = Sweep(Finished(0, out, err, 0), runs / name, StoreOfOne(store.folder, name), ())
        assert set(ends(own)) == set(range(trials))
        assert_one_run_a_trial_below_one_parent(own)
        assert_every_metric_has_each_epoch_once(own)
        assert_tags_and_statuses(own, space=name, dataset="synthetic")
        assert left_behind(runs / name) == []
