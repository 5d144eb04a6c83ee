"""A running sweep as a table, and as lines."""

import time
from heapq import nlargest

from rich.console import Group
from rich.table import Table
from rich.text import Text

from twinverify.reports.pace import Pace
from twinverify.reports.words import duration, settings, short_names
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState, Trial

_COLOURS = {"running": "cyan", "completed": "green", "pruned": "yellow", "failed": "red"}
#: Lines around the rows: title, header, borders, the progress line, and the prompt to come.
_LINES_AROUND = 10


class SweepTable:
    """Draws the state of a sweep as it stands."""

    def __init__(self, plan: SweepPlan, state: SweepState) -> None:
        """Begin now: the time left is estimated from what happens from here on."""
        self._plan, self._state, self._began = plan, state, time.time()
        self._names = short_names(list(plan.space.keys))
        self._pace = Pace(state, self._began)

    def render(self, height: int) -> Group:
        """Give a table for a terminal of `height` lines: running trials first, then those that ended last."""
        table = Table(title=f"Sweep {self._plan.name}", title_justify="left", header_style="bold", expand=True)
        table.add_column("trial", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column(self._state.objective, justify="right", no_wrap=True)
        table.add_column("drawn values", ratio=1, no_wrap=True, overflow="ellipsis")
        rows = max(3, height - _LINES_AROUND)
        ended = nlargest(rows, (t for t in self._state.trials if t.ended_at), key=lambda t: t.ended_at or 0.0)
        best = self._state.best()
        for trial in [*self._state.running, *ended][:rows]:
            self._add(table, trial, is_best=best is not None and trial is best.trial)
        return Group(table, Text(self._progress(), style="dim"))

    def line(self, trial: Trial) -> str | None:
        """Give a trial's beginning or end in words; None in between."""
        if trial.state == "running":
            return None if trial.epoch else f"trial {trial.number} started: {settings(trial.values, self._names)}"
        found = trial.best(self._state.objective)
        best = f"{self._state.objective} {found[1]:.4f}" if found else "no value"
        cause = f" ({trial.cause})" if trial.cause else ""
        told = f"trial {trial.number} {trial.state} after {trial.epoch} epochs: {best}{cause}"
        return f"{told} [{self._done} of {self._plan.options.trials} done{self._time_left()}]"

    def _add(self, table: Table, trial: Trial, *, is_best: bool) -> None:
        found = trial.best(self._state.objective)
        value = f"{found[1]:.4f}" if found else "starting" if trial.state == "running" else ""
        # Text, not markup: a cause or a path may hold square brackets.
        table.add_row(
            f"{trial.number}{' (default)' if trial.number == 0 else ''}",
            Text(trial.state, style=_COLOURS[trial.state]),
            f"{trial.epoch}/{self._state.epochs}",
            Text(value, style="bold green" if is_best else ""),
            Text(trial.cause, style="red") if trial.cause else Text(settings(trial.values, self._names)),
        )

    def _progress(self) -> str:
        best = self._state.best()
        so_far = f"; best so far: trial {best.trial.number}, {best.value:.4f}" if best else ""
        done = f"{self._done} of {self._plan.options.trials} trials done"
        return f"{done} in {duration(time.time() - self._began)}{self._time_left()}{so_far}"

    def _time_left(self) -> str:
        left = self._pace.seconds_left(self._plan.options.trials, self._plan.resources.slots)
        return "" if left is None else f"; about {duration(left)} left"

    @property
    def _done(self) -> int:
        self._pace.count()
        return self._pace.done
