"""How the search came along: each trial's value, and the best so far."""

from itertools import accumulate

import plotly.graph_objects as go

from twinverify.reports.page.look import BEST, DEFAULT, MARKS, figure, plain, see_through
from twinverify.reports.page.told import Plot, Sweep
from twinverify.reports.words import value
from twinverify.search.record import Judged, Trial, TrialState
from twinverify.verification.objective import cost

_HOW = "Each mark is a trial at its best epoch, {better} is better; the line is the best so far.{bars}"
_BARS = (
    " Bars are 95 % intervals over resampled families: where those of two trials overlap widely, the difference between"
    " them may be luck."
)


def history(sweep: Sweep) -> Plot:
    """Draw the value of each trial in the order drawn, with its interval, and the running best."""
    how = _HOW.format(better=sweep.better, bars=_BARS if sweep.intervals else "")
    plot = Plot("history", "The search over its trials", how, None, "No trial has a value yet.")
    if not sweep.ranked:
        return plot
    made = figure(height=400)
    for state in ("completed", "pruned", "running"):
        shown = [each for number, each in sorted(sweep.judged.items()) if each.trial.state == state]
        if shown:
            made.add_trace(_marks(sweep, shown, state))
    if failed := sweep.in_state("failed"):
        made.add_trace(_failures(sweep, failed))
    made.add_trace(_running_best(sweep))
    if sweep.default is not None:
        made.add_trace(_default_line(sweep, sweep.default.value))
    made.add_trace(_star(sweep, sweep.ranked[0]))
    made.update_xaxes(title="trial", range=[-0.6, len(sweep.trials) - 0.4], tickformat="d")
    made.update_yaxes(title=sweep.objective)
    return plot._replace(figure=made)


def _marks(sweep: Sweep, shown: list[Judged], state: TrialState) -> go.Scatter:
    mark = MARKS[state]
    bars = [sweep.intervals.get(each.trial.number, (each.value, each.value)) for each in shown]
    return go.Scatter(
        x=[each.trial.number for each in shown],
        y=[each.value for each in shown],
        error_y={
            "array": [high - each.value for each, (_, high) in zip(shown, bars, strict=True)],
            "arrayminus": [each.value - low for each, (low, _) in zip(shown, bars, strict=True)],
            "color": see_through(mark.colour, 0.5),
            "thickness": 1.2,
            "width": 0,
        },
        mode="markers",
        name=mark.name,
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 8},
        text=[told(sweep, each.trial) for each in shown],
        hovertemplate="%{text}<extra></extra>",
    )


def _failures(sweep: Sweep, failed: list[Trial]) -> go.Scatter:
    """Give the failed trials in a row beyond the worst value: what they reached before they failed ranks nothing."""
    values = [each.value for each in sweep.ranked] + [end for pair in sweep.intervals.values() for end in pair]
    low, high = min(values), max(values)
    away = 0.08 * ((high - low) or 0.1)
    mark = MARKS["failed"]
    return go.Scatter(
        x=[trial.number for trial in failed],
        y=[high + away if sweep.better == "lower" else low - away] * len(failed),
        mode="markers",
        name="failed (no value)",
        marker={"color": mark.colour, "symbol": mark.symbol, "size": 8},
        text=[told(sweep, trial) for trial in failed],
        hovertemplate="%{text}<extra></extra>",
    )


def _running_best(sweep: Sweep) -> go.Scatter:
    shown = [each for _, each in sorted(sweep.judged.items())]

    def better(one: Judged, other: Judged) -> Judged:
        return other if cost(sweep.objective, other.value) < cost(sweep.objective, one.value) else one

    bests = accumulate(shown, better)
    return go.Scatter(
        x=[*(each.trial.number for each in shown), len(sweep.trials) - 0.4],
        y=[each.value for each in bests] + [sweep.ranked[0].value],
        mode="lines",
        name="best so far",
        line={"color": BEST, "width": 2, "shape": "hv"},
        hoverinfo="skip",
    )


def _default_line(sweep: Sweep, value: float) -> go.Scatter:
    return go.Scatter(
        x=[-0.6, len(sweep.trials) - 0.4],
        y=[value, value],
        mode="lines",
        name="default configuration",
        line={"color": DEFAULT, "width": 1.5, "dash": "dash"},
        hoverinfo="skip",
    )


def _star(sweep: Sweep, best: Judged) -> go.Scatter:
    return go.Scatter(
        x=[best.trial.number],
        y=[best.value],
        mode="markers",
        name="best",
        marker={"color": BEST, "symbol": "star", "size": 14, "line": {"color": "#ffffff", "width": 1}},
        text=[told(sweep, best.trial)],
        hovertemplate="%{text}<extra></extra>",
    )


def told(sweep: Sweep, trial: Trial) -> str:
    """Give a trial in a few lines, for a hover label."""
    name = "trial 0, the default" if trial.number == 0 else f"trial {trial.number}"
    lines = [f"<b>{name}</b>: {MARKS[trial.state].name} after {trial.epoch} of {sweep.epochs} epochs"]
    judged = sweep.judged.get(trial.number)
    if judged is not None:
        interval = sweep.intervals.get(trial.number)
        bounds = f" [{interval.low:.4f}, {interval.high:.4f}]" if interval else ""
        lines.append(f"{sweep.objective} {judged.value:.4f}{bounds} at epoch {judged.epoch}")
    if trial.cause:
        lines.append(plain(sweep.cause(trial)[:200]))
    lines += [plain(f"{name} {value(drawn)}") for name, drawn in sweep.drawn(trial).items()]
    return "<br>".join(lines)
