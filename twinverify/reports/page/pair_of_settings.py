"""The two settings that matter most: one by one, and together."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import optuna
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from twinverify.reports.page.axis import GRID, Axis, axis_of, look_of
from twinverify.reports.page.history import told
from twinverify.reports.page.importance import Importance
from twinverify.reports.page.look import BEST, DEFAULT, LIGHT, MARKS, plain
from twinverify.reports.page.told import Plot, Sweep
from twinverify.search.record import Judged
from twinverify.verification.objective import higher_is_better

Floats = NDArray[np.float64]

_SLICE: Final = (
    "Each mark is a trial: what it drew of a setting, and its value ({better} is better). A trend that stands out"
    " from the scatter is worth following; good marks at an edge only say that the range may be too narrow. {chosen}"
)
_CHOSEN: Final = {
    True: "These are the two that matter most, see above.",
    False: "These are the two with the largest importance above, which may be chance.",
    None: "Too few trials to say which settings matter: these are the two that most trials have.",
}
_CONTOUR: Final = (
    "The value to expect at each point, averaged over the trials nearby (the marks); brighter is better. It is left"
    " empty where no trial came near: nothing is known there."
)
#: How far a trial counts, as a share of the range that is drawn.
_REACH: Final = 0.12
#: A point from which the nearest trial counts less stays empty: it is more than twice as far.
_LEAST_WEIGHT: Final = np.exp(-0.5 * 2**2)


def two_settings(found: Sequence[Importance], study: optuna.Study) -> list[str]:
    """Give the two most important settings; while nothing is known of that, those that most trials have."""
    if found:
        return [each.name for each in found[:2]]
    counts = Counter(name for trial in study.get_trials(deepcopy=False) for name in trial.params)
    return [name for name, number in counts.most_common(2) if number > 1]


def slices(sweep: Sweep, study: optuna.Study, found: Sequence[Importance]) -> Plot:
    """Draw the value over each of the two settings."""
    names = two_settings(found, study)
    how = _SLICE.format(better=sweep.better, chosen=_CHOSEN[all(each.is_real for each in found[:2]) if found else None])
    plot = Plot("slice", "Two settings, one by one", how, None, "No setting has been drawn twice.")
    if not names:
        return plot
    made = make_subplots(rows=1, cols=len(names), shared_yaxes=True, horizontal_spacing=0.06)
    for column, name in enumerate(names, 1):
        axis = axis_of(study, name)
        for trace in _points(sweep, study, (axis,)):
            trace.showlegend = column == 1
            made.add_trace(trace, row=1, col=column)
        made.update_xaxes(title=plain(name), row=1, col=column, **look_of(axis))
    made.update_layout(template=LIGHT, height=380)
    made.update_yaxes(title=sweep.objective, col=1)
    return plot._replace(figure=made)


def contour(sweep: Sweep, study: optuna.Study, found: Sequence[Importance]) -> Plot:
    """Draw the value over the two settings together."""
    names = two_settings(found, study)
    why_not = "It takes three trials that have both settings."
    plot = Plot("contour", "The two settings together", _CONTOUR, None, why_not)
    both = [trial for trial in study.get_trials(deepcopy=False) if all(name in trial.params for name in names)]
    if len(names) < 2 or len(both) < 3:
        return plot
    across, up = (axis_of(study, name) for name in names)
    (x_places, x), (y_places, y) = across.grid(), up.grid()
    places = np.array([[across.place(t.params[names[0]]), up.place(t.params[names[1]])] for t in both])
    values = np.array([t.value for t in both])
    z = smoothed(places, values, x_places, y_places, (bool(across.labels), bool(up.labels)))
    made = go.Figure(_ground(x, y, z, sweep))
    made.add_traces(_points(sweep, study, (across, up)))
    made.update_layout(template=LIGHT, height=460)
    made.update_xaxes(title=plain(names[0]), showgrid=False, **look_of(across))
    made.update_yaxes(title=plain(names[1]), showgrid=False, **look_of(up))
    return plot._replace(figure=made)


def smoothed(places: Floats, values: Floats, x: Floats, y: Floats, is_list: tuple[bool, bool]) -> Floats:
    """Give the mean of the values nearby at each point of a grid, NaN where there are none.

    Args:
        places: (N, 2) where the trials lie, 0 to 1 each way.
        values: (N,) their values.
        x: (X,) places of the grid across.
        y: (Y,) places of the grid upwards.
        is_list: whether an axis is a list of choices: between two of these nothing is near.

    Returns:
        (Y, X).
    """
    weights = np.ones((len(y), len(x), len(places)))
    for way, grid in enumerate((x[None, :, None], y[:, None, None])):
        distance = np.abs(grid - places[:, way])
        weights *= (distance < 1e-9) if is_list[way] else np.exp(-0.5 * (distance / _REACH) ** 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = weights @ values / weights.sum(axis=-1)
    found: Floats = np.where(weights.max(axis=-1) >= _LEAST_WEIGHT, means, np.nan)
    return found


def _ground(x: list[Any], y: list[Any], z: Floats, sweep: Sweep) -> go.Heatmap:
    return go.Heatmap(
        x=x,
        y=y,
        z=z,
        colorscale="Viridis",
        reversescale=not higher_is_better(sweep.objective),
        colorbar={"title": {"text": sweep.objective, "side": "right"}, "outlinewidth": 0, "thickness": 12},
        hoverongaps=False,
        zsmooth="best" if len(x) == len(y) == GRID else False,
        hovertemplate="about %{z:.4f}<extra></extra>",
    )


def _points(sweep: Sweep, study: optuna.Study, axes: Sequence[Axis]) -> list[go.Scatter]:
    """Give the trials by state, the best and the default apart; against the value where there is one axis only."""
    known = {trial.user_attrs["trial"]: trial for trial in study.get_trials(deepcopy=False)}
    params = {number: trial.params for number, trial in known.items()}
    having = [each for each in sweep.ranked if all(axis.name in params.get(each.trial.number, {}) for axis in axes)]

    def marks(shown: list[Judged], name: str, colour: str, symbol: str, size: int) -> go.Scatter:
        where = [[axis.at(params[each.trial.number][axis.name]) for each in shown] for axis in axes]
        return go.Scatter(
            x=where[0],
            y=where[1] if len(where) > 1 else [known[each.trial.number].value for each in shown],
            mode="markers",
            name=name,
            legendgroup=name,
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"color": "#ffffff", "width": 0.8}},
            text=[told(sweep, each.trial) for each in shown],
            hovertemplate="%{text}<extra></extra>",
        )

    apart = {0, sweep.ranked[0].trial.number}
    traces = []
    for state in ("pruned", "completed"):
        mark = MARKS[state]
        shown = [each for each in having if each.trial.state == state and each.trial.number not in apart]
        traces.append(marks(shown, mark.name, mark.colour, mark.symbol, 8))
    default = [each for each in having if each.trial.number == 0]
    best = [each for each in having[:1] if each is sweep.best]
    traces.append(marks(default, "default", DEFAULT, "diamond", 11))
    traces.append(marks(best, "best", BEST, "star", 15))
    return [trace for trace in traces if len(trace.x)]
