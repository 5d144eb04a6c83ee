"""What earlier tools left in an experiment: found, and told; nothing is changed."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Run

from twinverify.tracking.doctor.alive import is_alive, last_signs
from twinverify.tracking.doctor.entries import Surplus, bookkeeping, repeated
from twinverify.tracking.doctor.histories import Histories
from twinverify.tracking.doctor.same_trial import SameTrial, find_same
from twinverify.tracking.doctor.torn import Torn, find_torn
from twinverify.tracking.finding import find_runs
from twinverify.tracking.leftovers import experiment_folder, run_folders

#: Is told how many runs of how many have been looked at.
Progress = Callable[[int, int], None]

#: Bears every run of a sweep of ours.
_SWEEP_ID: Final = "sweep_id"


@dataclass(frozen=True)
class Patient:
    """A run with surplus metrics.

    Attributes:
        run: as the store tells it.
        junk: its metrics that are Tune's bookkeeping.
        twice: metric -> what it has a second time.
    """

    run: Run
    junk: tuple[str, ...]
    twice: Mapping[str, Surplus]


@dataclass
class Diagnosis:
    """What was found.

    Attributes:
        runs: how many runs the experiment has.
        alive: those that may still be written to, and are left alone.
        own: id of a sweep that looks after its own runs -> those of them that say RUNNING.
        torn: runs that MLflow cannot read.
        dead: runs left RUNNING, with the time of their last sign in seconds.
        same: several runs of one trial.
        patients: runs with surplus metrics.
    """

    runs: int = 0
    alive: list[str] = field(default_factory=list)
    own: dict[str, list[str]] = field(default_factory=dict)
    torn: list[Torn] = field(default_factory=list)
    dead: list[tuple[Run, float]] = field(default_factory=list)
    same: list[SameTrial] = field(default_factory=list)
    patients: list[Patient] = field(default_factory=list)


def examine(
    client: MlflowClient,
    experiment_id: str,
    histories: Histories,
    *,
    own: Collection[str],
    stale: float,
    progress: Progress = lambda done, total: None,
) -> Diagnosis:
    """Look at all runs of an experiment.

    Args:
        client: a client of the store.
        experiment_id: the experiment's.
        histories: the metrics of its runs.
        own: ids of the sweeps whose journals look after their runs: these are left alone.
        stale: seconds of silence after which a run that says RUNNING is taken for dead.
        progress: is told how far it is.
    """
    folder = experiment_folder(client, experiment_id)
    found = Diagnosis()
    found.torn, young = find_torn(folder, stale)
    runs = _readable(client, experiment_id, folder, {torn.run.name for torn in found.torn} | {*young})
    found.runs, found.alive = len(runs) + len(found.torn) + len(young), young
    signs = last_signs(runs, folder)
    idle: list[Run] = []
    for run in runs:
        if run.data.tags.get(_SWEEP_ID) in own:
            if run.info.status == "RUNNING":
                found.own.setdefault(run.data.tags[_SWEEP_ID], []).append(run.info.run_id)
        elif is_alive(run, signs[run.info.run_id], stale):
            found.alive.append(run.info.run_id)
        else:
            idle.append(run)
    sizes: dict[str, int] = {}
    for done, run in enumerate(idle):
        progress(done, len(idle))
        sizes[run.info.run_id] = _look_at(run, histories, found)
    found.same = find_same(idle, sizes)
    # What becomes of these is told as the duplicates' cure.
    settled = {other.info.run_id for same in found.same for other in same.others}
    settled |= {same.kept.info.run_id for same in found.same if same.last.info.status != "RUNNING"}
    found.dead = [
        (run, signs[run.info.run_id]) for run in idle if run.info.status == "RUNNING" and run.info.run_id not in settled
    ]
    return found


def _readable(client: MlflowClient, experiment_id: str, folder: Path | None, torn: Collection[str]) -> list[Run]:
    if folder is None:
        return find_runs(client, experiment_id, "")
    # MLflow's search fails for all where one is torn, and follows links.
    runs = [client.get_run(path.name) for path in run_folders(folder) if path.name not in torn]
    return [run for run in runs if run.info.lifecycle_stage == LifecycleStage.ACTIVE]


def _look_at(run: Run, histories: Histories, found: Diagnosis) -> int:
    """Note what is too much in a run; gives how many values it has without that."""
    entries = histories.read(run.info.run_id)
    junk = bookkeeping(entries, run.data.tags)
    told = {name: repeated(each, run.data.tags) for name, each in entries.items() if name not in junk}
    twice = {name: surplus for name, surplus in told.items() if surplus.entries}
    if junk or twice:
        found.patients.append(Patient(run, tuple(junk), twice))
    return sum(len({entry.step for entry in each}) for name, each in entries.items() if name not in junk)
