"""Ties a sweep to its MLflow runs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twinverify.config import dump_config
from twinverify.errors import counted
from twinverify.gpus import gpu_type
from twinverify.search.files import trial_config
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.search.stored import read_sweep
from twinverify.tracking.address import resolve_tracking, without_password
from twinverify.tracking.health import keep_reachable, server_trouble
from twinverify.tracking.tags import run_tags

if TYPE_CHECKING:
    from ray.tune import Callback

    from twinverify.tracking.courier import Courier
    from twinverify.tracking.runs import SweepRuns

_PATIENCE: Final = 15.0
_PATIENCE_WHEN_INTERRUPTED: Final = 3.0


def check_tracking(plan: SweepPlan) -> str | None:
    """Refuse a tracking address that cannot work, before anything is started.

    A sweep that goes on with the server that it had goes on without it too: what it reports waits in its folder.

    Returns:
        A line to be told, or None.

    Raises:
        UserError: the address is malformed, or a server that is new to the sweep does not answer.
    """
    tracking = plan.options.tracking
    # A scheduler that starts a preempted sweep again gives the whole command again.
    known = plan.goes_on and (not plan.tracking_given or read_sweep(plan.folder).options.tracking == tracking)
    uri = resolve_tracking(tracking, must_answer=not known)
    trouble = server_trouble(uri) if uri and known else None
    if uri is None or trouble is None:
        return None
    return f"tracking {without_password(uri)}: {trouble}; training goes on, results wait in the sweep folder"


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
    # Here, not in the courier's thread: two threads that import MLflow and Ray at once get in each other's way.
    from twinverify.tracking.connect import connect
    from twinverify.tracking.courier import Courier
    from twinverify.tracking.runs import SweepRuns

    keep_reachable(uri)
    tags = run_tags(
        space=plan.space.name,
        dataset=plan.split.train.name,
        dataset_size=len(plan.split.train.image_paths),
        gpu_type=gpu_type(),
    )

    def find_runs() -> SweepRuns:
        client, experiment = connect(uri, plan.options.experiment)
        return SweepRuns(
            client,
            experiment,
            sweep_id=plan.sweep_id,
            name=plan.name,
            tags=tags,
            description=_description(plan),
            config=lambda number: dump_config(trial_config(plan, state.trials[number])),
            below=plan.below,
        )

    courier = Courier(find_runs, told=told)
    for trial in state.trials:
        courier.take(trial)
    return courier


def callbacks(plan: SweepPlan, state: SweepState, courier: "Courier[SweepRuns]") -> "list[Callback]":
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
    metrics = {name: value for name, value in best.metrics.items() if name.startswith("val/")}
    runs.finish("FINISHED", metrics, {"best_trial": str(best.trial.number), "trials": count})


def _description(plan: SweepPlan) -> str:
    lines = [f"Sweep `{plan.name}` of the space `{plan.space.name}`, objective `{plan.objective}`.", ""]
    lines += ["| setting | drawn from | where |", "|---|---|---|"]
    # The alternatives of a choice are told with bars, which would be cells.
    rows = [(row.key, row.values.replace("|", "&#124;"), row.condition) for row in plan.space.describe()]
    lines += [f"| `{key}` | {values} | {condition} |" for key, values, condition in rows]
    return "\n".join(lines)
