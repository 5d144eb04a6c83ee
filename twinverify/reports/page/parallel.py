"""All trials across all settings at once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import optuna
import plotly.graph_objects as go
from optuna.visualization import plot_parallel_coordinate
from plotly.colors import sample_colorscale

from twinverify.reports.page.importance import Importance
from twinverify.reports.page.look import BEST, GREY, LIGHT, plain
from twinverify.reports.page.settings_study import part_of
from twinverify.reports.page.told import Plot, Sweep

#: More lines than this are a grey block, and seconds of drawing.
MOST: Final = 250
#: More axes than this cannot be read.
MOST_AXES: Final = 9

_HOW: Final = (
    "Each line is a trial: its value at the left, then what it drew; grey is the worst, full orange the best"
    " ({better} is better). Where orange lines run together, good trials agree; “none” stands where a setting does"
    " not exist for a trial, or has the default's value outside of what is searched.{only}"
)
_ONLY: Final = " Of {all} trials the best and evenly chosen others are drawn, {most} in all."
_ONLY_AXES: Final = " Of the settings only the {most} that matter most are drawn."
#: From the worst to the best: Optuna's from white to dark blue loses the one half on white, the other on black.
_SCALE: Final = [[0.0, GREY], [0.6, "#b98a5c"], [1.0, BEST]]


def parallel(sweep: Sweep, study: optuna.Study, found: Sequence[Importance] = ()) -> Plot:
    """Draw Optuna's parallel coordinates, of stopped trials too; of many settings only the most important."""
    trials = study.get_trials(deepcopy=False)
    only = _ONLY.format(all=len(trials), most=MOST) if len(trials) > MOST else ""
    names = _axes(study, found)
    if len(names) == MOST_AXES:
        only += _ONLY_AXES.format(most=MOST_AXES)
    how = _HOW.format(better=sweep.better, only=only)
    plot = Plot("parallel", "All settings at once", how, None, "It takes two trials that ended with a value.")
    if len(trials) < 2 or not any(trial.params for trial in trials):
        return plot
    made = plot_parallel_coordinate(part_of(study, MOST, names), params=names, target_name=sweep.objective)
    _recolour(made, up=sweep.better == "higher")
    _in_our_look(made)
    return plot._replace(figure=made)


def _axes(study: optuna.Study, found: Sequence[Importance]) -> list[str]:
    """Give the settings to draw: those that are judged, the most important first, then those that most trials have."""
    counts = Counter(name for trial in study.get_trials(deepcopy=False) for name in trial.params)
    names = dict.fromkeys([*(each.name for each in found), *(name for name, _ in counts.most_common())])
    return list(names)[:MOST_AXES]


def _recolour(made: go.Figure, *, up: bool) -> None:
    """Give each line the colour of its value, which lies at the first axis as 0 to 1, and put the best on top."""
    lines = [trace for trace in made.data if trace.mode == "lines"]
    others = [trace for trace in made.data if trace.mode != "lines"]
    goodness = {id(line): float(line.y[0]) if up else 1 - float(line.y[0]) for line in lines}
    lines.sort(key=lambda line: goodness[id(line)])
    for line in lines:
        good = goodness[id(line)]
        line.line.color = sample_colorscale(_SCALE, [good])[0]
        line.line.width = 0.8 + 1.6 * good**2
        line.opacity = 0.25 + 0.7 * good**2
        line.customdata = [[_word(cell) for cell in row] for row in line.customdata]
    for other in others:
        if other.marker.colorbar.title.text:
            other.marker.update(colorscale=_SCALE, reversescale=not up)
            other.marker.colorbar.update(outlinewidth=0, thickness=12, title=None)
    made.data = [made.data[i] for i in sorted(range(len(made.data)), key=lambda i: goodness.get(id(made.data[i]), 2))]


def _in_our_look(made: go.Figure) -> None:
    """Take Optuna's title, white ground and dark words off: the page has its own, light or dark."""
    made.update_layout(title=None, plot_bgcolor=None, template=LIGHT, height=420, margin={"t": 96, "b": 24, "r": 60})
    made.update_layout(
        xaxis={"side": "top", "showline": False, "ticks": "", "tickangle": -28}, yaxis={"showline": False}
    )
    for annotation in made.layout.annotations:
        annotation.font.color = None
        annotation.text = _word(annotation.text)
    for shape in made.layout.shapes:
        shape.line.color = GREY
    made.update_xaxes(ticktext=[plain(text) for text in made.layout.xaxis.ticktext])


def _word(cell: Any) -> str:
    return plain("none" if cell == "None" else cell)
