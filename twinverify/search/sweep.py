"""Runs a sweep: opens its folder, its data and its tracking, and has Ray run what the state draws."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from twinverify.config import dump_config
from twinverify.errors import UserError
from twinverify.faces.load import load_data
from twinverify.search.files import (
    TrialFiles,
    taken_back_if_refused,
    trial_config,
    trial_folder,
    write_best,
    write_plan,
)
from twinverify.search.plan import SweepPlan
from twinverify.search.rungs import Rungs
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy

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
    with taken_back_if_refused(plan.folder, plan.cache, plan.folder.parent), _locked(plan), ExitStack() as at_the_end:
        at_the_end.callback(watcher.stopped)
        load_data(plan.options.data, plan.config, plan.cache, plan.options.pairs, watcher.preparing)
        write_plan(plan)
        state = open_state(plan)
        runs = open_runs(plan)
        try:
            interrupted = _run(plan, state, watcher, runs, actor)
        finally:
            state.close()
        if not interrupted and runs is not None:
            _finish(plan, state, runs)
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

    callbacks = []
    if runs is not None:
        from twinverify.tracking.callback import SweepMLflowCallback

        callbacks.append(
            SweepMLflowCallback(
                runs,
                record=lambda number: state.trials[number],
                config=lambda number: dump_config(trial_config(plan, state.trials[number])),
            )
        )
    deadline = time.monotonic() + plan.options.budget if plan.options.budget else float("inf")
    try:
        start_ray(plan.resources)
        run_trials(
            state,
            lambda trial: _task(plan, trial),
            trials=plan.options.trials,
            resources=plan.resources,
            callbacks=callbacks,
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
        "pairs": str(plan.options.pairs.resolve()) if plan.options.pairs else None,
        "cache": str(plan.cache),
        "objective": plan.objective,
        "threads": plan.resources.threads,
    }


def _finish(plan: SweepPlan, state: SweepState, runs: "SweepRuns") -> None:
    """Write the sweep's result to its parent run."""
    runs.deliver_all(state.trials)
    best = state.best()
    found = best.best(state.objective) if best else None
    if best is None or found is None:
        runs.finish("FAILED", {}, {"trials": str(len(state.trials))})
        return
    runs.artifact((plan.folder / "best.yaml").read_text(encoding="utf-8"), "best.yaml")
    runs.artifact(plan.space.text, "space.yaml")
    metrics = {name: value for name, value in best.reports[found[0] - 1].items() if name.startswith("val/")}
    runs.finish("FINISHED", metrics, {"best_trial": str(best.number), "trials": str(len(state.trials))})


@contextmanager
def _locked(plan: SweepPlan) -> Iterator[None]:
    """Hold the sweep's lock; the kernel frees it when the process dies, however it dies."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(plan.folder / "sweep.lock"), plan.folder / ".owner"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        who = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
        raise UserError(f"sweep {plan.name} is being run by {who}; wait for it, or start another with name=…") from None
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()
