"""Ties a sweep to its MLflow runs."""

from typing import TYPE_CHECKING

from twinverify.search.plan import SweepPlan
from twinverify.tracking.store import resolve_tracking
from twinverify.tracking.tags import gpu_type, run_tags

if TYPE_CHECKING:
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


def _description(plan: SweepPlan) -> str:
    lines = [f"Sweep `{plan.name}` of the space `{plan.space.name}`, objective `{plan.objective}`.", ""]
    lines += ["| setting | drawn from | where |", "|---|---|---|"]
    lines += [f"| `{row.key}` | {row.values} | {row.condition} |" for row in plan.space.describe()]
    return "\n".join(lines)
