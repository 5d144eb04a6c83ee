"""How each trial learnt, epoch by epoch, and where the search compared trials and stopped some."""

from collections.abc import Iterable

import plotly.graph_objects as go

from twinverify.reports.page.look import BEST, DEFAULT, GREY, MARKS, figure
from twinverify.reports.page.told import Plot, Sweep
from twinverify.search.record import Trial

_HOW = (
    "Each line is a trial, {better} is better. At a dotted line (a rung) a trial's best value so far was compared"
    " with all that had come there before, and one in {factor} went on; lines that cross after a rung say that"
    " stopping there was a risk."
)
_HOW_WITHOUT = "Each line is a trial, {better} is better; none was stopped early."


def learning(sweep: Sweep) -> Plot:
    """Draw the objective at each epoch of each trial, with the rungs."""
    rungs = sweep.rungs
    how = (_HOW if rungs else _HOW_WITHOUT).format(better=sweep.better, factor=sweep.options.reduction_factor)
    plot = Plot("learning", "Values during training", how, None, "No trial has reported an epoch yet.")
    if not any(trial.reports for trial in sweep.trials):
        return plot
    apart = {each.trial.number for each in (sweep.best, sweep.default) if each}
    made = figure(height=400)
    for state in ("pruned", "completed", "running", "failed"):
        shown = [trial for trial in sweep.in_state(state) if trial.number not in apart]
        made.add_traces(_lines(sweep, shown, MARKS[state].name, MARKS[state].colour, width=1.2, opacity=0.6))
    if sweep.default and sweep.default is not sweep.best:
        made.add_traces(_lines(sweep, [sweep.default.trial], "default configuration", DEFAULT, width=2, dash="dash"))
    if sweep.best:
        name = f"best: trial {sweep.best.trial.number}{'' if sweep.best.trial.number else ', the default'}"
        made.add_traces(_lines(sweep, [sweep.best.trial], name, BEST, width=2.5))
    for rung in rungs:
        made.add_vline(x=rung, line={"dash": "dot", "width": 1.2, "color": GREY})
        made.add_annotation(
            x=rung, y=1, yref="paper", text=f"rung {rung}", yanchor="top", xanchor="left", showarrow=False
        )
    made.update_xaxes(title="epoch", range=[1 - 0.02 * sweep.epochs, sweep.epochs * 1.02], tickformat="d")
    if sweep.epochs <= 12:
        made.update_xaxes(dtick=1)
    made.update_yaxes(title=sweep.objective)
    return plot._replace(figure=made)


def _lines(
    sweep: Sweep,
    trials: Iterable[Trial],
    name: str,
    colour: str,
    *,
    width: float,
    opacity: float = 1,
    dash: str = "solid",
) -> list[go.Scatter]:
    """Give all lines of a kind as one trace with gaps: hundreds of traces take a browser seconds."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    numbers: list[int] = []
    for trial in trials:
        told = [
            (epoch, each[sweep.objective]) for epoch, each in enumerate(trial.reports, 1) if sweep.objective in each
        ]
        if told:
            xs += [*(epoch for epoch, _ in told), None]
            ys += [*(value for _, value in told), None]
            numbers += [trial.number] * (len(told) + 1)
    if not xs:
        return []
    # A trial of one epoch is a point, and would not be seen as a line.
    marked = sweep.epochs <= 15 or len(xs) < 4 * len(set(numbers))
    return [
        go.Scatter(
            x=xs[:-1],
            y=ys[:-1],
            customdata=numbers[:-1],
            mode="lines+markers" if marked else "lines",
            name=name,
            opacity=opacity,
            connectgaps=False,
            marker={"size": 5},
            line={"color": colour, "width": width, "dash": dash},
            hovertemplate="trial %{customdata}, epoch %{x}: %{y:.4f}<extra></extra>",
        )
    ]
