"""The leaderboard of a sweep: best first, the default marked."""

from rich.table import Table
from rich.text import Text

from twinverify.reports.words import settings, short_names
from twinverify.search.state import SweepState, Trial
from twinverify.verification.objective import higher_is_better

#: Shown beside the objective, where the validation has them.
_BESIDE = ("val/twin_eer", "val/twin_auc", "val/twin_tar_at_far_0.1", "val/general_eer")
#: Columns of a terminal from which on all of them fit.
_WIDE = 110


def ranked(state: SweepState) -> list[Trial]:
    """Give the trials that have a value, best first; of equals the earlier; failed ones last."""
    sign = -1.0 if higher_is_better(state.objective) else 1.0
    judged = [
        (trial.state == "failed", sign * best[1], trial.number)
        for trial in state.trials
        if (best := trial.best(state.objective))
    ]
    return [state.trials[number] for _, _, number in sorted(judged)]


def leaderboard(state: SweepState, title: str, *, width: int, rows: int = 10) -> Table:
    """Give the best `rows` trials as a table for `width` columns, and the default where it is not among them."""
    shown = ranked(state)
    beside = [name for name in _BESIDE if name != state.objective and any(name in r for t in shown for r in t.reports)]
    # On a narrow terminal the drawn values need the room more.
    beside = beside if width >= _WIDE else [name for name in beside if name == "val/general_eer"]
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for heading in ("#", "trial"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column(state.objective.removeprefix("val/"), justify="right", no_wrap=True, style="bold")
    for name in beside:
        table.add_column(name.removeprefix("val/"), justify="right", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("drawn values", ratio=1, overflow="fold")
    names = short_names(sorted({key for trial in state.trials for key in trial.values}))
    for rank, trial in enumerate(shown, 1):
        if rank <= rows or trial.number == 0:
            table.add_row(str(rank), *_cells(state, trial, beside), Text(settings(trial.values, names)))
    return table


def verdict(state: SweepState) -> str:
    """Say in a line what the search gained over the default configuration."""
    best = state.best()
    found = best.best(state.objective) if best else None
    if best is None or found is None:
        return "No trial has a result."
    default = state.trials[0].best(state.objective)
    line = f"Best: trial {best.number}, {state.objective} {found[1]:.4f} at epoch {found[0]}"
    if best.number == 0:
        return f"{line}: the default configuration; no trial did better."
    if state.trials[0].state == "failed":
        return f"{line}; the default configuration failed."
    if default is None:
        return f"{line}; the default configuration has no result yet."
    return f"{line}; the default configuration: {default[1]:.4f}."


def _cells(state: SweepState, trial: Trial, beside: list[str]) -> list[str]:
    found = trial.best(state.objective)
    assert found is not None
    metrics = trial.reports[found[0] - 1]
    name = f"{trial.number} (default)" if trial.number == 0 else str(trial.number)
    others = [f"{metrics[key]:.4f}" if key in metrics else "" for key in beside]
    return [name, f"{found[1]:.4f}", *others, f"{found[0]} of {trial.epoch}", trial.state]
