"""Ties a sweep to its MLflow runs."""

from typing import TYPE_CHECKING

from twinverify.config import dump_config
from twinverify.gpus import gpu_type
from twinverify.search.files import trial_config
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.tracking.address import resolve_tracking
from twinverify.tracking.tags import run_tags

if TYPE_CHECKING:
    from ray.tune import Callback

    from twinverify.tracking.runs import SweepRuns


def check_tracking(plan: SweepPlan) -> None:
    """Refuse a tracking address that cannot work, before anything is started.

    Raises:
        UserError: the address is malformed, or does not answer.
    """
    resolve_tracking(plan.options.tracking)


def open_runs(plan: SweepPlan) -> "SweepRuns | None":
    """Open the sweep's runs in the store that `tracking=` names; None with `tracking=off`."""
    uri = resolve_tracking(plan.options.tracking)
    if uri is None:
        return None
    from mlflow import MlflowClient

    from twinverify.tracking.runs import SweepRuns
    from twinverify.tracking.store import open_experiment

    tags = run_tags(
        space=plan.space.name,
        dataset=plan.split.train.name,
        dataset_size=len(plan.split.train.image_paths),
        gpu_type=gpu_type(),
    )
    return SweepRuns(
        MlflowClient(uri),
        open_experiment(uri, plan.options.experiment),
        sweep_id=plan.sweep_id,
        name=plan.name,
        tags=tags,
        description=_description(plan),
    )


def callbacks(plan: SweepPlan, state: SweepState, runs: "SweepRuns") -> "list[Callback]":
    """Give what has Ray keep the runs up to date."""
    from twinverify.tracking.callback import SweepMLflowCallback

    def config(number: int) -> str:
        return dump_config(trial_config(plan, state.trials[number]))

    return [SweepMLflowCallback(runs, record=lambda number: state.trials[number], config=config)]


def close_runs(plan: SweepPlan, state: SweepState, runs: "SweepRuns", *, interrupted: bool) -> None:
    """Bring all runs up to date, and write the sweep's result to its parent run; an interrupted one has none yet."""
    runs.deliver_all(state.trials)
    if interrupted:
        runs.pause(state.running)
        return
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
    lines += [f"| `{row.key}` | {row.values} | {row.condition} |" for row in plan.space.describe()]
    return "\n".join(lines)
