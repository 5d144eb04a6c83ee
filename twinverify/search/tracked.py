"""Ties a sweep to its MLflow runs."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinverify.config import dump_config
from twinverify.errors import UserError, counted
from twinverify.gpus import gpu_type
from twinverify.markdown import code, plain
from twinverify.search.attached import attached_files
from twinverify.search.data_facts import read_facts, side_facts
from twinverify.search.files import trial_config, trial_folder
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.search.stored import read_sweep
from twinverify.tracking.address import resolve_tracking
from twinverify.tracking.courier import Courier
from twinverify.tracking.health import keep_reachable
from twinverify.tracking.machine import Machine
from twinverify.tracking.store import store_trouble
from twinverify.tracking.tags import run_tags

if TYPE_CHECKING:
    from ray.tune import Callback

    from twinverify.tracking.runs import SweepRuns

_PATIENCE: Final = 15.0
_PATIENCE_WHEN_INTERRUPTED: Final = 3.0


def check_tracking(plan: SweepPlan) -> str | None:
    """Refuse a tracking address that cannot work, before anything is started.

    A sweep that goes on with the server that it had goes on without it too: what it reports waits in its folder.

    Returns:
        A line to be told, or None.

    Raises:
        UserError: the address is malformed; or, where it is new to the sweep, the server does not answer, MLflow
            cannot use the store, or the experiment was deleted.
    """
    tracking = plan.options.tracking
    # A scheduler that starts a preempted sweep again gives the whole command again.
    known = plan.goes_on and (not plan.tracking_given or read_sweep(plan.folder).options.tracking == tracking)
    uri = resolve_tracking(tracking, must_answer=not known)
    if uri is None:
        return None
    trouble = store_trouble(uri, plan.options.experiment)
    if trouble is None:
        return None
    if not known:
        raise UserError(trouble)
    return f"{trouble}; training goes on, results wait in the sweep folder"


def open_courier(plan: SweepPlan, state: SweepState, told: Callable[[str | None], None]) -> "Courier[SweepRuns] | None":
    """Begin to deliver the sweep's trials to the store that `tracking=` names, whether it is there or not.

    Args:
        plan: the sweep.
        state: its trials, all of which are brought up to date in the store.
        told: as `Courier` tells of an outage.

    Returns:
        What the trials are delivered by; None with `tracking=off`.
    """
    uri = resolve_tracking(plan.options.tracking, must_answer=False)
    if uri is None:
        return None
    if state.trials:
        # Else two threads would import MLflow and Ray at once, and get in each other's way. Where nothing is to be
        # delivered yet, the courier's thread begins with the first trial: Ray is there, and nobody waits for MLflow.
        import twinverify.tracking.runs  # noqa: F401
    keep_reachable(uri)
    tags = run_tags(
        space=plan.space.name,
        dataset=plan.split.train.name,
        dataset_size=len(plan.split.train.image_paths),
        gpu_type=gpu_type(),
    )

    def find_runs() -> "SweepRuns":
        from twinverify.tracking.connect import connect
        from twinverify.tracking.runs import SweepRuns

        client, experiment = connect(uri, plan.options.experiment)
        return SweepRuns(
            client,
            experiment,
            sweep_id=plan.sweep_id,
            name=plan.name,
            tags=tags,
            description=description(plan),
            config=lambda number: dump_config(trial_config(plan, state.trials[number])),
            data=lambda number: read_facts(trial_folder(plan, number)),
            files=lambda number: _files(plan, state, number),
            below=plan.below,
        )

    courier = Courier(find_runs, told=told)
    for trial in state.trials:
        courier.take(trial)
    return courier


def _files(plan: SweepPlan, state: SweepState, number: int) -> list[Path]:
    best = state.trials[number].best(plan.objective)
    return attached_files(trial_folder(plan, number), best and best[0])


@contextmanager
def sampled(*, tracked: bool) -> "Iterator[Callable[[int, str | None], Mapping[str, float]]]":
    """Sample the machine while the block lasts; without tracking nobody looks at it.

    Yields:
        What gives the means since a trial's last report, by its number and the id of its GPU.
    """
    if not tracked:
        yield lambda *_: {}
        return
    with Machine() as machine:
        yield machine.since


def callbacks(state: SweepState, courier: "Courier[SweepRuns]") -> "list[Callback]":
    """Give what has Ray hand the trials to the courier."""
    from twinverify.tracking.callback import SweepMLflowCallback

    return [SweepMLflowCallback(courier, record=lambda number: state.trials[number])]


def close(plan: SweepPlan, state: SweepState, courier: "Courier[SweepRuns]", *, interrupted: bool) -> str | None:
    """Have all runs brought up to date, and the sweep's own run ended; an interrupted sweep's is only paused.

    Returns:
        None if all is there; else what is not, and why.
    """
    for trial in state.trials:
        courier.take(trial)
    if interrupted:
        reason = _pause(state, courier)
    else:
        try:
            reason = courier.finish(lambda runs: _finish(plan, state, runs), _PATIENCE)
        except KeyboardInterrupt:
            _pause(state, courier)
            raise
    left = courier.outstanding
    return reason and f"{counted(left, 'trial') if left else 'the end of the sweep'} ({reason})"


def _pause(state: SweepState, courier: "Courier[SweepRuns]") -> str | None:
    running = [trial.number for trial in state.running]
    patience = _PATIENCE_WHEN_INTERRUPTED
    return courier.finish(lambda runs: runs.pause(running), patience, at_most=patience)


def _finish(plan: SweepPlan, state: SweepState, runs: "SweepRuns") -> None:
    """Write the sweep's result to its own run."""
    best = state.best()
    count = str(len(state.trials))
    if best is None:
        runs.finish("FAILED", {}, {"trials": count})
        return
    runs.artifact((plan.folder / "best.yaml").read_text(encoding="utf-8"), "best.yaml")
    runs.artifact(plan.space.text, "space.yaml")
    runs.attach(attached_files(plan.folder, None), side_facts(plan.split, plan.data_digest))
    metrics = {name: value for name, value in best.metrics.items() if name.startswith("val/")}
    runs.finish("FINISHED", metrics, {"best_trial": str(best.trial.number), "trials": count})


def description(plan: SweepPlan) -> str:
    """Say in Markdown what the sweep searches."""
    lines = [f"Sweep {code(plan.name)} of the space {code(plan.space.name)}, objective {code(plan.objective)}.", ""]
    lines += ["| setting | drawn from | where |", "|---|---|---|"]
    rows = plan.space.describe()
    lines += [f"| {code(row.key)} | {plain(row.values)} | {plain(row.condition)} |" for row in rows]
    return "\n".join(lines)
