"""What MLflow's run list shows when it opens: the metrics and the drawn values of a sweep, best trial first.

By itself the list has no metric column until the user picks some. A "shared view" (what the UI's *Share* button makes)
is a tag of the experiment that holds columns, order and filter; a link names it.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from twinverify.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_VIEW_TAG: Final = "mlflow.sharedViewState."
#: In this order; the first that the runs have sorts the list. All of the first two are better when lower.
_METRICS: Final = ("val/twin_eer", "val/general_eer", "val/twin_auc", "val/twin_tar_at_far_0.01", "train/loss")
_RUNS_LOOKED_AT: Final = 200
#: A plain `train` run logs few parameters, a wide space many: what does not fit a screen is in the column menu.
_MOST_PARAMETERS: Final = 12


def share_view(client: "MlflowClient", experiment: str, sweep: str | None) -> str:
    """Write the view of an experiment, or of one sweep in it, and give its key for `runs_link`.

    Args:
        client: A client of the store.
        experiment: The experiment's id.
        sweep: The sweep's name (tag `sweep`), or None for all runs.

    Raises:
        UserError: There are no runs, or no sweep of that name.
    """
    runs = client.search_runs([experiment], max_results=_RUNS_LOOKED_AT, filter_string=_of_sweep(sweep))
    if not runs:
        raise UserError(_no_runs(client, experiment, sweep))
    key = "twinverify" if sweep is None else "twinverify-" + re.sub(r"[^\w.-]", "_", sweep)
    client.set_experiment_tag(experiment, _VIEW_TAG + key, json.dumps(_state(runs, sweep)))
    return key


def runs_link(server: str, experiment: str, view: str) -> str:
    """Give the address of the run list in the model-training view, with the columns of a shared view."""
    query = urlencode({"workflowType": "machine_learning", "viewStateShareKey": view})
    return f"{server}/#/experiments/{experiment}/runs?{query}"


def _state(runs: "list[Run]", sweep: str | None) -> dict[str, Any]:
    metrics = [name for name in _METRICS if any(name in run.data.metrics for run in runs)]
    columns = [f"metrics.`{name}`" for name in metrics]
    columns += [f"params.`{name}`" for name in _parameters(runs)]
    columns += ["tags.`trial_state`"] if sweep else ["tags.`sweep`", "tags.`trial_state`"]
    order = {"orderByKey": columns[0], "orderByAsc": True} if metrics else {}
    # Wide enough for the heading: about 7 pixels a letter, and the arrow of the order.
    widths = {column: 48 + 7 * (len(column.partition("`")[2]) - 1) for column in columns}
    return {
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": widths,
        "searchFilter": _of_sweep(sweep),
        **order,
    }


def _parameters(runs: "list[Run]") -> list[str]:
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.data.params.items():
            values.setdefault(name, set()).add(value)
    varied = [name for name, seen in values.items() if len(seen) > 1]
    return sorted(varied or values)[:_MOST_PARAMETERS]


def _of_sweep(sweep: str | None) -> str:
    if sweep is None:
        return ""
    if "'" in sweep or "\\" in sweep:
        raise UserError(f"sweep={sweep}: MLflow cannot search for a name with a quote or a backslash in it")
    return f"tags.sweep = '{sweep}'"


def _no_runs(client: "MlflowClient", experiment: str, sweep: str | None) -> str:
    runs = client.search_runs([experiment], max_results=1000) if sweep else []
    names = {run.data.tags["sweep"] for run in runs if "sweep" in run.data.tags}
    if sweep and names:
        return f"sweep {sweep} has no runs here; {did_you_mean(sweep, names)}"
    return "there are no runs to show yet; python -m twinverify.tune space=glca_heads makes some"
