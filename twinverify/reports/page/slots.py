"""When the trials ran and on which slots: what the machine did with its time."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from statistics import median
from typing import Final

import plotly.graph_objects as go

from twinverify.reports.page.history import told
from twinverify.reports.page.look import DEFAULT, GREY, MARKS, figure
from twinverify.reports.page.told import Plot, Sweep
from twinverify.reports.words import duration
from twinverify.search.record import EPOCH_SECONDS, Trial

_HOW: Final = (
    "Each bar is a trial on the slot that it ran on. {slots} busy {share:.0%} of {span}{pauses}; gaps are time in"
    " which a slot had nothing to do.{work}"
)
_WORK: Final = (
    " The blue line in a bar is training and validation: {share:.1%} of the slots' time from the first report to the"
    " last; where it is broken, a trial was set up or wrote its files, or the sweep was started again."
)
#: Breaks that are shorter than this part of the whole are not drawn.
_SHORTEST_BREAK: Final = 1 / 2000
#: Nothing heard of any trial for so many times a usual epoch, and for so many seconds: the sweep stood still.
_SILENT_EPOCHS, _SILENT_SECONDS = 8, 60.0


@dataclass(frozen=True)
class Bar:
    """A trial on a slot, times in seconds since the sweep began."""

    trial: Trial
    slot: int
    start: float
    end: float

    @property
    def epochs(self) -> list[tuple[float, float]]:
        """When it trained and validated; (start, end), as far as its reports tell."""
        began = self.trial.drawn_at - self.start
        return [
            (max(self.start, at - began - metrics[EPOCH_SECONDS]), at - began)
            for at, metrics in zip(self.trial.reported_at, self.trial.reports, strict=True)
            if EPOCH_SECONDS in metrics
        ]


@dataclass(frozen=True)
class Timeline:
    """All trials on their slots.

    Attributes:
        bars: in the order drawn.
        slots: how many ran at once at most.
        span: seconds from the first draw to the last event.
        pauses: when the whole sweep stood still, interrupted; (start, end) in seconds.
    """

    bars: Sequence[Bar]
    slots: int
    span: float
    pauses: Sequence[tuple[float, float]]

    @property
    def busy(self) -> float:
        """The share of the slots' time in which they had a trial, pauses left out of both."""
        stood = sum(end - start for start, end in self.pauses)
        running = sum(bar.end - bar.start - _overlap(bar.start, bar.end, self.pauses) for bar in self.bars)
        whole = self.slots * (self.span - stood)
        return running / whole if whole > 0 else 1.0

    @property
    def at_work(self) -> float | None:
        """The share of the slots' time, from the first report to the last, that was training or validation.

        Pauses are left out; None where no two reports tell it.
        """
        epochs = [epoch for bar in self.bars for epoch in bar.epochs]
        first, last = min((end for _, end in epochs), default=0.0), max((end for _, end in epochs), default=0.0)
        stood = sum(max(0.0, min(end, last) - max(start, first)) for start, end in self.pauses)
        whole = self.slots * (last - first - stood)
        pieces = [(max(start, first), end) for start, end in epochs if end > first]
        worked = sum(end - start - _overlap(start, end, self.pauses) for start, end in pieces)
        return worked / whole if whole > 0 else None


def timeline(trials: Sequence[Trial]) -> Timeline:
    """Work out the slots: a trial takes the one that has been free longest when it is drawn."""
    began = min(trial.drawn_at for trial in trials)
    events = sorted({moment for trial in trials for moment in _moments(trial)})
    now = events[-1]
    free: list[tuple[float, int]] = []
    slots, bars = 0, []
    for trial in sorted(trials, key=lambda each: (each.drawn_at, each.number)):
        if free and free[0][0] <= trial.drawn_at:
            _, slot = heappop(free)
        else:
            slot, slots = slots, slots + 1
        end = now if trial.ended_at is None else trial.ended_at
        heappush(free, (end, slot))
        bars.append(Bar(trial, slot, trial.drawn_at - began, end - began))
    return Timeline(bars, slots, now - began, _pauses(trials, events))


def slots(sweep: Sweep) -> Plot:
    """Draw the trials as bars on their slots."""
    plot = Plot("timeline", "When the trials ran", "", None, "No trial has been drawn yet.")
    if not sweep.trials:
        return plot
    line = timeline(sweep.trials)
    unit, seconds = _unit(line.span)
    made = figure(height=120 + 34 * min(line.slots, 16))
    for state, mark in MARKS.items():
        bars = [bar for bar in line.bars if bar.trial.state == state]
        if bars:
            made.add_trace(
                go.Bar(
                    orientation="h",
                    y=[bar.slot + 1 for bar in bars],
                    base=[bar.start / seconds for bar in bars],
                    x=[(bar.end - bar.start) / seconds for bar in bars],
                    name=mark.name,
                    marker={"color": mark.colour, "line": {"color": GREY, "width": 0.6}},
                    text=[str(bar.trial.number) if len(line.bars) <= 60 else "" for bar in bars],
                    textposition="inside",
                    insidetextanchor="middle",
                    customdata=[f"{told(sweep, bar.trial)}<br>took {duration(bar.end - bar.start)}" for bar in bars],
                    hovertemplate="%{customdata}<extra></extra>",
                )
            )
    _add_work(made, line, seconds)
    for start, end in line.pauses:
        made.add_vrect(x0=start / seconds, x1=end / seconds, fillcolor=GREY, opacity=0.25, line_width=0)
        made.add_annotation(x=(start + end) / 2 / seconds, y=1, yref="paper", text="stood still", showarrow=False)
    made.update_layout(barmode="overlay", bargap=0.25)
    made.update_xaxes(title=f"{unit} since the start", range=[0, 1.01 * line.span / seconds])
    made.update_yaxes(title="slot", dtick=1, autorange="reversed")
    return plot._replace(figure=made, how=_told(line))


def _add_work(made: go.Figure, line: Timeline, seconds: float) -> None:
    """Draw when trials trained and validated, as a line within the bars; epochs that follow at once are one piece."""
    across: list[float | None] = []
    along: list[float | None] = []
    for bar in line.bars:
        pieces: list[list[float]] = []
        for start, end in bar.epochs:
            if pieces and start - pieces[-1][1] < _SHORTEST_BREAK * line.span:
                pieces[-1][1] = end
            else:
                pieces.append([start, end])
        for start, end in pieces:
            along += [start / seconds, end / seconds, None]
            across += [bar.slot + 1.26, bar.slot + 1.26, None]
    if along:
        drawn = {"color": DEFAULT, "width": 3}
        made.add_trace(go.Scatter(x=along, y=across, mode="lines", line=drawn, name="training", hoverinfo="skip"))


def _told(line: Timeline) -> str:
    stood = sum(end - start for start, end in line.pauses)
    pauses = f" ({duration(stood)} in which the whole sweep stood still left out)" if stood else ""
    slots = f"The {line.slots} slots were" if line.slots > 1 else "The one slot was"
    share = line.at_work
    work = "" if share is None else _WORK.format(share=share)
    return _HOW.format(slots=slots, share=line.busy, span=duration(line.span - stood), pauses=pauses, work=work)


def _moments(trial: Trial) -> list[float]:
    return [trial.drawn_at, *trial.reported_at, *([trial.ended_at] if trial.ended_at is not None else [])]


def _pauses(trials: Sequence[Trial], events: Sequence[float]) -> list[tuple[float, float]]:
    """Find where the sweep stood still: the journal does not tell when a process died."""
    epochs = [later - sooner for trial in trials for sooner, later in pairwise(_moments(trial)) if later > sooner]
    if not epochs:
        return []
    silent = max(_SILENT_SECONDS, _SILENT_EPOCHS * median(epochs))
    began = events[0]
    return [(sooner - began, later - began) for sooner, later in pairwise(events) if later - sooner > silent]


def _overlap(start: float, end: float, pauses: Sequence[tuple[float, float]]) -> float:
    return sum(max(0.0, min(end, until) - max(start, since)) for since, until in pauses)


def _unit(span: float) -> tuple[str, float]:
    for name, seconds in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if span > 2 * seconds:
            return name, seconds
    return "seconds", 1.0
