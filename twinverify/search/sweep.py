"""Runs a sweep: opens its folder, its data and its tracking, and has Ray run what the state draws."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twinverify.faces.load import load_data
from twinverify.search.files import (
    TrialFiles,
    taken_back_if_refused,
    trial_config,
    trial_folder,
    write_best,
    write_plan,
)
from twinverify.search.lock import locked
from twinverify.search.plan import SweepPlan
from twinverify.search.rungs import Rungs
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy
from twinverify.search.tracked import callbacks, close_runs

if TYPE_CHECKING:
    from ray.tune import Trainable

    from twinverify.search.trial import TrialTask
    from twinverify.tracking.runs import SweepRuns


class Watcher(Protocol):
    """What shows a sweep while it runs."""

    def preparing(self, done: int, total: int) -> None:
        """Tell that `done` of `total` images are decoded."""

    def starting(self, plan: SweepPlan, state: SweepState) -> None:
        """Tell that Ray is being started."""

    def changed(self, trial: Trial) -> None:
        """Tell that a trial was drawn, reported or ended."""

    def stopped(self) -> None:
        """Tell that nothing more will change."""


@dataclass(frozen=True)
class Outcome:
    """A sweep as it ended: all trials done, or interrupted."""

    plan: SweepPlan
    state: SweepState
    interrupted: bool
    seconds: float


def run_sweep(
    plan: SweepPlan,
    watcher: Watcher,
    open_runs: Callable[[SweepPlan], "SweepRuns | None"],
    actor: "type[Trainable] | None" = None,
) -> Outcome:
    """Run the sweep, or what is left of it.

    Args:
        plan: what to do.
        watcher: is told what happens.
        open_runs: opens the tracking; None for none.
        actor: what runs a trial in place of `TrialActor`: benchmarks of the search alone train nothing.

    Raises:
        UserError: another process runs this sweep, an image is broken, the tracking cannot be reached.
    """
    started = time.monotonic()
    folders = (plan.folder, plan.cache, plan.folder.parent)
    with taken_back_if_refused(*folders), locked(plan.folder), ExitStack() as at_the_end:
        at_the_end.callback(watcher.stopped)
        load_data(plan.options.data, plan.config, plan.cache, plan.options.pairs, watcher.preparing)
        write_plan(plan)
        state = open_state(plan)
        at_the_end.callback(state.close)
        runs = open_runs(plan)
        interrupted = _run(plan, state, watcher, runs, actor)
        if runs is not None:
            close_runs(plan, state, runs, interrupted=interrupted)
    return Outcome(plan, state, interrupted, time.monotonic() - started)


def open_state(plan: SweepPlan) -> SweepState:
    """Make the state of the sweep from its journal; a new one where there is none."""
    epochs = plan.config.train.epochs
    grace = plan.options.grace_epochs or max(1, epochs // 5)
    stopper = Rungs(epochs, grace_epochs=grace, reduction_factor=plan.options.reduction_factor)
    study = SweepStudy(plan.space, plan.options.sampler, plan.options.seed)
    return SweepState(
        plan.folder,
        study,
        stopper if plan.options.scheduler == "asha" else None,
        objective=plan.objective,
        epochs=epochs,
    )


def _run(
    plan: SweepPlan,
    state: SweepState,
    watcher: Watcher,
    runs: "SweepRuns | None",
    actor: "type[Trainable] | None",
) -> bool:
    """Run what is left; give whether it was interrupted."""
    files = TrialFiles(plan)
    for trial in state.trials:
        files.update(trial)
    if runs is not None:
        runs.deliver_all(state.trials)
    if not state.running and len(state.trials) >= plan.options.trials:
        write_best(plan, state)
        return False
    watcher.starting(plan, state)
    state.listeners += [files.update, watcher.changed]
    try:
        _with_ray(plan, state, runs, actor)
    except KeyboardInterrupt:
        return True
    finally:
        write_best(plan, state)
    return False


def _with_ray(plan: SweepPlan, state: SweepState, runs: "SweepRuns | None", actor: "type[Trainable] | None") -> None:
    # Ray takes seconds to import; nothing that can refuse a sweep needs it.
    import ray

    from twinverify.search.ray_run import run_trials, start_ray
    from twinverify.search.trial import TrialActor

    deadline = time.monotonic() + plan.options.budget if plan.options.budget else float("inf")
    try:
        start_ray(plan.resources)
        run_trials(
            state,
            lambda trial: _task(plan, trial),
            trials=plan.options.trials,
            resources=plan.resources,
            callbacks=[] if runs is None else callbacks(plan, state, runs),
            enough=lambda: time.monotonic() > deadline,
            actor=actor or TrialActor,
        )
    finally:
        ray.shutdown()


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
    }
