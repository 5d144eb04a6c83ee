"""The leaderboard of the page: a row a trial, best first, failed ones last."""

from typing import Any, Final, NamedTuple

from twinverify.reports.leaderboard import BESIDE
from twinverify.reports.page.look import MARKS
from twinverify.reports.page.told import Sweep
from twinverify.reports.words import value
from twinverify.search.record import Trial

_HOW: Final = (
    "Best first; {better} {objective} is better.{bounds}{tied} What is not known is left empty. Click a heading to"
    " sort."
)
_BOUNDS: Final = " In brackets the 95 % interval over resampled families: other families may well give any value in it."
_TIED: Final = " “tied” marks what a paired comparison on the same families cannot tell from the best."


class Cell(NamedTuple):
    """One cell: what is read, what it is sorted by, and a mark with its reason."""

    text: str
    sort: Any = ""
    numeric: bool = False
    mark: str = ""
    why: str = ""


class Column(NamedTuple):
    """A column's heading, and what it says in full."""

    name: str
    title: str
    numeric: bool


class Row(NamedTuple):
    """A trial; `kind` is best, default, failed or nothing of these."""

    kind: str
    cells: list[Cell]


class Leaders(NamedTuple):
    """The table, and how to read it."""

    how: str
    columns: list[Column]
    rows: list[Row]


def leaders(sweep: Sweep) -> Leaders:
    """Give the table of all trials."""
    beside = [name for name in BESIDE if name != sweep.objective and any(name in e.metrics for e in sweep.ranked)]
    keys = [key for key in sweep.names if any(key in trial.values for trial in sweep.trials)]
    columns = [
        Column("#", "rank", True),
        Column("trial", "number of the trial, in the order drawn", True),
        Column(sweep.objective.removeprefix("val/"), sweep.objective, True),
        *(Column(name.removeprefix("val/"), name, True) for name in beside),
        Column("epoch", "best epoch, of those run", True),
        Column("state", "how it ended", False),
        *(Column(sweep.names[key], key, False) for key in keys),
    ]
    ranked = [each.trial for each in sweep.ranked]
    others = [trial for trial in sweep.trials if trial.number not in sweep.judged]
    rows = [
        _row(sweep, trial, rank, beside, keys)
        for rank, trial in [*enumerate(ranked, 1), *((None, trial) for trial in others)]
    ]
    bounds = _BOUNDS if sweep.intervals else ""
    how = _HOW.format(
        better=sweep.better, objective=sweep.objective, bounds=bounds, tied=_TIED if sweep.evidence.tied else ""
    )
    return Leaders(how, columns, rows)


def _row(sweep: Sweep, trial: Trial, rank: int | None, beside: list[str], keys: list[str]) -> Row:
    is_best = rank == 1
    kind = "best" if is_best else "default" if trial.number == 0 else trial.state if trial.state == "failed" else ""
    judged = sweep.judged.get(trial.number)
    metrics = judged.metrics if judged else {}
    name = f"{trial.number} (default)" if trial.number == 0 else str(trial.number)
    state = MARKS[trial.state].name + (f": {sweep.cause(trial)}" if trial.cause else "")
    cells = [
        Cell(str(rank or ""), rank or "", True),
        Cell(name, trial.number, True),
        _value(sweep, trial, trial.number in sweep.evidence.tied),
        *(_number(metrics.get(metric)) for metric in beside),
        Cell(f"{judged.epoch} of {trial.epoch}" if judged else str(trial.epoch or ""), trial.epoch, True),
        Cell(state[:120], state[:120]),
        *(Cell(value(trial.values[key]), trial.values[key]) if key in trial.values else Cell("") for key in keys),
    ]
    return Row(kind, cells)


def _value(sweep: Sweep, trial: Trial, is_tied: bool) -> Cell:
    judged = sweep.judged.get(trial.number)
    if judged is None:
        return Cell("", numeric=True)
    interval = sweep.intervals.get(trial.number)
    bounds = f" [{interval.low:.3f}, {interval.high:.3f}]" if interval else ""
    why = "A paired comparison on the same families cannot tell it from the best."
    return Cell(f"{judged.value:.4f}{bounds}", judged.value, True, "tied" if is_tied else "", why if is_tied else "")


def _number(found: float | None) -> Cell:
    return Cell("", numeric=True) if found is None else Cell(f"{found:.4f}", found, True)
