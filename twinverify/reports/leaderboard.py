"""The leaderboard of a sweep: best first, the default marked."""

from rich.table import Table
from rich.text import Text

from twinverify.reports.words import settings, short_names
from twinverify.search.state import Judged, SweepState

#: Shown beside the objective, where the validation has them.
_BESIDE = ("val/twin_eer", "val/twin_auc", "val/twin_tar_at_far_0.1", "val/general_eer")
#: Columns of a terminal from which on all of them fit.
_WIDE = 110
#: Below it epoch and state are left out.
_NARROW = 80


def leaderboard(state: SweepState, title: str, *, width: int, rows: int = 10) -> Table:
    """Give the best `rows` trials as a table for `width` columns, and the default where it is not among them."""
    shown = state.ranked()
    beside = [name for name in _BESIDE if name != state.objective and any(name in each.metrics for each in shown)]
    # On a narrow terminal the drawn values need the room more.
    beside = beside if width >= _WIDE else [name for name in beside if name == "val/general_eer"]
    told_how = width >= _NARROW
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for heading in ("#", "trial"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(state.objective.removeprefix("val/"), justify="right", no_wrap=True, style="bold")
    for name in beside:
        table.add_column(name.removeprefix("val/"), justify="right", no_wrap=True)
    if told_how:
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
    table.add_column("drawn values", ratio=1, min_width=10, overflow="fold")
    names = short_names(sorted({key for trial in state.trials for key in trial.values}))
    for rank, each in enumerate(shown, 1):
        if rank <= rows or each.trial.number == 0:
            cells = _cells(each, beside) + (_how(each) if told_how else [])
            table.add_row(str(rank), *cells, Text(settings(each.trial.values, names)))
    return table


def verdict(state: SweepState) -> str:
    """Say in a line what the search gained over the default configuration."""
    best = state.best()
    if best is None:
        return _without_result(state)
    default = state.trials[0]
    line = f"Best: trial {best.trial.number}, {state.objective} {best.value:.4f} at epoch {best.epoch}"
    if best.trial is default:
        return f"{line}: the default configuration; no trial did better."
    if default.state == "failed":
        return f"{line}; the default configuration failed."
    found = default.best(state.objective)
    return f"{line}; the default configuration: {found[1]:.4f}." if found else f"{line}; the default has no result yet."


def _without_result(state: SweepState) -> str:
    failed = [trial for trial in state.trials if trial.state == "failed"]
    if failed and len(failed) == len(state.trials):
        return f"All {len(failed)} trials failed; the first: {failed[0].cause}"
    return "No trial has a result yet."


def _cells(each: Judged, beside: list[str]) -> list[str]:
    trial = each.trial
    name = f"{trial.number} (default)" if trial.number == 0 else str(trial.number)
    others = [f"{each.metrics[key]:.4f}" if key in each.metrics else "" for key in beside]
    return [name, f"{each.value:.4f}", *others]


def _how(each: Judged) -> list[str]:
    return [f"{each.epoch} of {each.trial.epoch}", each.trial.state]
