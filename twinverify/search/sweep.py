"""Runs a sweep: opens its folder, its data and its tracking, and has Ray run what the state draws."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from twinverify.durable import told_if_disk_fails
from twinverify.faces.load import load_data
from twinverify.search.boards import TrialBoards
from twinverify.search.files import (
    TrialFiles,
    taken_back_if_refused,
    trial_config,
    trial_folder,
    write_best,
    write_plan,
)
from twinverify.search.keep import Keeper
from twinverify.search.lock import locked
from twinverify.search.plan import SweepPlan
from twinverify.search.ray_home import clear_away
from twinverify.search.rungs import stopper_of
from twinverify.search.spare import spared_by
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy
from twinverify.search.surroundings import note_surroundings
from twinverify.search.sweep_log import SweepLog
from twinverify.search.tracked import callbacks, close, sampled

if TYPE_CHECKING:
    from ray.tune import Trainable

    from twinverify.search.trial import TrialTask
    from twinverify.tracking.courier import Courier
    from twinverify.tracking.runs import SweepRuns

#: Opens the tracking of a sweep, or gives None for none: see `tracked.open_courier`.
OpenCourier = Callable[[SweepPlan, SweepState, Callable[[str | None], None]], "Courier[SweepRuns] | None"]


class Watcher(Protocol):
    """What shows a sweep while it runs."""

    def preparing(self, done: int, total: int) -> None:
        """Tell that `done` of `total` images are decoded."""

    def starting(self, plan: SweepPlan, state: SweepState) -> None:
        """Tell that Ray is being started."""

    def changed(self, trial: Trial) -> None:
        """Tell that a trial was drawn, reported or ended."""

    def worker_died(self, trial: Trial, cause: str, deaths: int) -> None:
        """Tell that a trial goes on in another worker, after so many deaths of its workers."""

    def ray_restarts(self, cause: str) -> None:
        """Tell that one of Ray's servers died, and that Ray is started anew."""

    def dashboard(self, address: str, token: Path) -> None:
        """Tell where Ray's dashboard is, and which file holds the token that it asks for."""

    def tracking_away(self, reason: str) -> None:
        """Tell that MLflow cannot be reached; what is reported waits. Called in another thread."""

    def tracking_back(self) -> None:
        """Tell that all that waited for MLflow has been delivered. Called in another thread."""

    def stopped(self) -> None:
        """Tell that nothing more will change."""


@dataclass(frozen=True)
class Outcome:
    """A sweep as it ended: all trials done, or interrupted."""

    plan: SweepPlan
    state: SweepState
    interrupted: bool
    seconds: float
    #: What MLflow lacks, and why; None where it has all.
    undelivered: str | None = None


def run_sweep(
    plan: SweepPlan,
    watcher: Watcher,
    open_courier: OpenCourier,
    actor: "type[Trainable] | None" = None,
) -> Outcome:
    """Run the sweep, or what is left of it.

    Args:
        plan: what to do.
        watcher: is told what happens.
        open_courier: opens the tracking.
        actor: what runs a trial in place of `TrialActor`: benchmarks of the search alone train nothing.

    Raises:
        UserError: another process runs this sweep, an image is broken, or a disk is full.
    """
    started = time.monotonic()
    with taken_back_if_refused(plan.cache, plan.folder.parent), locked(plan.folder), ExitStack() as at_the_end:
        at_the_end.callback(watcher.stopped)
        # Before anything is written: workers of a killed start may still be dying.
        clear_away(plan.folder)
        load_data(plan.options.data, plan.config, plan.cache, plan.options.pairs, watcher.preparing)
        state = open_state(plan)
        at_the_end.callback(state.close)
        # The journal first: the files beside it are its views.
        state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
        write_plan(plan)
        log = SweepLog(watcher, plan.folder, plan.objective)
        courier = open_courier(plan, state, lambda reason: _tell(log, reason))
        interrupted = True
        try:
            interrupted = _run(plan, state, log, courier, actor)
        finally:
            # After an error too: MLflow must not show that anything still runs.
            undelivered = None if courier is None else close(plan, state, courier, interrupted=interrupted)
    return Outcome(plan, state, interrupted, time.monotonic() - started, undelivered)


def open_state(plan: SweepPlan) -> SweepState:
    """Make the state of the sweep from its journal; a new one where there is none."""
    study = SweepStudy(plan.space, plan.options.sampler, plan.options.seed, repeats=plan.options.repeats)
    return SweepState(
        plan.folder,
        study,
        stopper_of(plan.options, plan.config.train.epochs),
        objective=plan.objective,
        epochs=plan.config.train.epochs,
        spared=spared_by(plan.options),
    )


def _tell(watcher: Watcher, reason: str | None) -> None:
    if reason is None:
        watcher.tracking_back()
    else:
        watcher.tracking_away(reason)


def _run(
    plan: SweepPlan,
    state: SweepState,
    log: SweepLog,
    courier: "Courier[SweepRuns] | None",
    actor: "type[Trainable] | None",
) -> bool:
    """Run what is left; give whether it was interrupted."""
    files, keeper, boards = TrialFiles(plan), Keeper(plan, state), TrialBoards(plan)
    # First of all: it makes room.
    keeper.tidy()
    for trial in state.trials:
        files.update(trial)
        boards.update(trial)
    if not state.running and len(state.trials) >= plan.options.trials:
        write_best(plan, state)
        return False
    with told_if_disk_fails(plan.folder):
        note_surroundings(plan.folder)
    log.starting(plan, state)
    state.listeners += [files.update, boards.update, keeper.update, log.changed]
    try:
        _with_ray(plan, state, log, courier, actor)
    except KeyboardInterrupt:
        return True
    finally:
        keeper.tidy()
        write_best(plan, state)
        log.over(state)
    return False


def _with_ray(
    plan: SweepPlan,
    state: SweepState,
    watcher: Watcher,
    courier: "Courier[SweepRuns] | None",
    actor: "type[Trainable] | None",
) -> None:
    # Ray takes seconds to import; nothing that can refuse a sweep needs it.
    from twinverify.search.ray_run import run_trials

    deadline = time.monotonic() + plan.options.budget if plan.options.budget else float("inf")
    with sampled(tracked=courier is not None) as measured:
        run_trials(
            state,
            lambda trial: _task(plan, trial),
            folder=plan.folder,
            trials=plan.options.trials,
            resources=plan.resources,
            callbacks=lambda: [] if courier is None else callbacks(state, courier),
            enough=lambda: time.monotonic() > deadline,
            measured=measured,
            actor=actor,
            on_death=lambda number, cause, deaths: watcher.worker_died(state.trials[number], cause, deaths),
            on_restart=watcher.ray_restarts,
            on_dashboard=watcher.dashboard if plan.options.dashboard else None,
        )


def _task(plan: SweepPlan, trial: Trial) -> "TrialTask":
    return {
        "trial": trial.number,
        "folder": str(trial_folder(plan, trial.number)),
        "config": trial_config(plan, trial).model_dump(mode="json"),
        "data": plan.options.data,
        "pairs": str(plan.options.pairs) if plan.options.pairs else None,
        "cache": str(plan.cache),
        "objective": plan.objective,
        "threads": plan.resources.threads,
        "graph": plan.options.tensorboard,
    }
