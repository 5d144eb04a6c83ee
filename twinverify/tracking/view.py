"""What MLflow's run list shows when it opens: the metrics and the drawn values of a sweep, best trial first.

By itself the list has no metric column until the user picks some. A saved view (what the UI's *Views* menu keeps) is a
tag of the experiment that holds columns, order, filter and charts; a link names it, and the menu lists it.
"""

import base64
import json
import re
import time
import zlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from twinverify.errors import UserError, did_you_mean
from twinverify.tracking.charts import chart_state

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_VIEW_TAG: Final = "mlflow.sharedViewState."
#: In this order; the first that the runs have sorts the list. All of the first two are better when lower.
_METRICS: Final = ("val/twin_eer", "val/general_eer", "val/twin_auc", "val/twin_tar_at_far_0.01", "train/loss")
#: MLflow's list puts child runs below their parent only where it is sorted by this.
_BY_START: Final = {"orderByKey": "attributes.start_time", "orderByAsc": False}
_RUNS_LOOKED_AT: Final = 200
#: A plain `train` run logs few parameters, a wide space many: what does not fit a screen is in the column menu.
_MOST_PARAMETERS: Final = 12


def share_view(client: "MlflowClient", experiment: str, sweep: str | None) -> str:
    """Write the views of an experiment, or of one sweep in it, and give the first one's key for `runs_link`.

    The first has the best run at the top; the second, in the page's *Views* menu, has the trials below their sweep.

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
    state, what = _state(runs, sweep), sweep or "all sweeps"
    for end, name, order in (("", "best first", {}), ("-tree", "as a tree", _BY_START)):
        view = _saved_view(f"{what}, {name}", state | order)
        client.set_experiment_tag(experiment, _VIEW_TAG + key + end, view)
    return key


def runs_link(server: str, experiment: str, view: str) -> str:
    """Give the address of the run list in the model-training view, with the columns of a saved view."""
    query = urlencode({"workflowType": "machine_learning", "viewStateShareKey": view})
    return f"{server}/#/experiments/{experiment}/runs?{query}"


def _saved_view(name: str, state: dict[str, Any]) -> str:
    # Packed as the UI packs it: a server takes 5000 letters in a tag.
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()
    now = round(time.time() * 1000)
    return json.dumps({"name": name, "createdAt": now, "updatedAt": now, "state": f"deflate;{packed}"})


def _state(runs: "list[Run]", sweep: str | None) -> dict[str, Any]:
    metrics = [name for name in _METRICS if any(name in run.data.metrics for run in runs)]
    parameters = _parameters(runs)
    columns = [f"metrics.`{name}`" for name in metrics]
    columns += [f"params.`{name}`" for name in parameters]
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
        **(chart_state([run.data.params for run in runs if run.data.params], parameters, metrics) if metrics else {}),
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
