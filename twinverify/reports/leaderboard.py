"""The leaderboard: best first, how sure each value is, what cannot be told from the best, the default marked."""

from typing import Final

from rich.table import Table
from rich.text import Text

from twinverify.errors import some
from twinverify.reports.board import Board, Row
from twinverify.reports.words import heading, rate_interval, settings, short_names
from twinverify.search.state import SweepState
from twinverify.streams import visible
from twinverify.training.names import SCORES

#: Shown beside the objective, where the validation has them, and from how many columns of a terminal on.
BESIDE: Final = {
    "val/twin_eer": 100,
    "val/twin_auc": 110,
    "val/twin_tar_at_far_0.1": 140,
    "val/twin_tar_at_far_0.01": 140,
    "val/general_eer": 100,
}
#: Below it epoch and state are left out: the drawn values need the room more.
_NARROW: Final = 100
#: After the rank of a trial that cannot be told from the best.
_TIED: Final = " ~"
_HOW: Final = "~ a paired comparison on the same families cannot tell it from the best"


def leaderboard(board: Board, title: str, *, width: int, rows: int = 10) -> Table:
    """Give the best `rows` trials as a table for `width` columns, and each default where it is not among them."""
    shown = [(rank, row) for rank, row in enumerate(board.rows, 1) if rank <= rows or row.is_default]
    has_intervals = any(board.interval(row.key) for _, row in shown)
    beside = _beside(board, width, has_intervals=has_intervals)
    table = Table(title=title, title_justify="left", header_style="bold", expand=False, caption_justify="left")
    for name in ("#", *(("sweep",) if len(board.sweeps) > 1 else ()), "trial"):
        table.add_column(name, justify="left" if name == "sweep" else "right", no_wrap=name != "sweep")
    table.add_column(heading(board.objective), justify="right", no_wrap=True, style="bold")
    if has_intervals:
        table.add_column("95 %\ninterval", justify="right", no_wrap=True)
    for name in beside:
        table.add_column(heading(name), justify="right", no_wrap=True)
    if width >= _NARROW:
        table.add_column("epoch", justify="right", no_wrap=True)
        table.add_column("state", no_wrap=True)
    table.add_column("drawn values", ratio=1, min_width=10, overflow="fold")
    drawn = {key for past in board.sweeps for trial in past.state.trials for key in trial.values}
    names = short_names(sorted(drawn))
    for rank, row in shown:
        place = f"{rank}{_TIED if row.key in board.tied else ''}"
        of = [Text(row.key.sweep)] if len(board.sweeps) > 1 else []
        bounds = [rate_interval(board.interval(row.key))] if has_intervals else []
        how = _how(row) if width >= _NARROW else []
        values = Text(settings(row.judged.trial.values, names))
        table.add_row(place, *of, *_value(row), *bounds, *_others(row, beside), *how, values)
    if any(row.key in board.tied for _, row in shown):
        table.caption = _HOW
    return table


def verdict(board: Board) -> str:
    """Say in a line what a search gained over the default configuration, as far as that can be told.

    Args:
        board: of one sweep.
    """
    (past,) = board.sweeps
    best = board.best
    if best is None:
        return _without_result(past.state)
    interval = board.interval(best.key)
    sure = f" (95 % {rate_interval(interval)})" if interval else ""
    if best.key in board.estimates and interval is None:
        sure = " (no interval: too few families, or none differs)"
    line = f"Best: trial {best.key.trial}, {board.objective} {best.judged.value:.4f}{sure} at epoch {best.judged.epoch}"
    return f"{line}{_against_default(board, best)}{_ties(board)}{_unknown(board)}"


def _against_default(board: Board, best: Row) -> str:
    default = board.sweeps[0].state.trials[0]
    if best.is_default:
        return ": the default configuration; no trial did better."
    if default.state == "failed":
        return "; the default configuration failed."
    found = default.best(board.objective)
    if found is None:
        return "; the default has no result yet."
    gain = board.gain(best.key._replace(trial=0))
    if gain is None or gain.interval is None:
        return f"; the default configuration: {found[1]:.4f}."
    low, high = gain.interval
    told = f"difference {gain.value:+.3f}, 95 % {low:+.3f} to {high:+.3f}"
    cannot = "from which it cannot be told: " if best.key._replace(trial=0) in board.tied else ""
    return f"; the default configuration: {found[1]:.4f} ({cannot}{told})."


def _ties(board: Board) -> str:
    number = sum(key.trial != 0 for key in board.tied)  # the default has been told
    if not number:
        return ""
    return f" {number} other trial{'s' if number > 1 else ''} cannot be told from the best."


def _unknown(board: Board) -> str:
    """Tell of which trials nothing is known but the value, where others kept their scores."""
    lacking = [row.key.trial for row in board.rows if row.key not in board.estimates]
    lacking = [number for number in lacking if board.sweeps[0].state.trials[number].state in ("completed", "pruned")]
    if not lacking or not board.estimates:
        return ""
    what = f"trial{'s' if len(lacking) > 1 else ''} {some(map(str, lacking))}"
    all_ties = " nothing can be compared with the best," if board.best and board.best.key.trial in lacking else ""
    return f" The scores ({SCORES}) of {what} are missing or damaged:{all_ties} no intervals of these."


def _without_result(state: SweepState) -> str:
    failed = [trial for trial in state.trials if trial.state == "failed"]
    if failed and len(failed) == len(state.trials):
        return f"All {len(failed)} trials failed; the first: {visible(failed[0].cause or '', keep='')}"
    return "No trial has a result yet."


def _beside(board: Board, width: int, *, has_intervals: bool) -> list[str]:
    known = {name for row in board.rows for name in row.judged.metrics}
    # On a narrow terminal the general EER stands where there is no interval.
    fits = {name for name, least in BESIDE.items() if width >= least}
    fits |= {"val/general_eer"} if not has_intervals else set()
    return [name for name in BESIDE if name in fits & known and name != board.objective]


def _value(row: Row) -> list[str]:
    name = f"{row.key.trial} (default)" if row.is_default else str(row.key.trial)
    return [name, f"{row.judged.value:.4f}"]


def _others(row: Row, beside: list[str]) -> list[str]:
    metrics = row.judged.metrics
    return [f"{metrics[name]:.4f}" if name in metrics else "" for name in beside]


def _how(row: Row) -> list[str]:
    return [f"{row.judged.epoch} of {row.judged.trial.epoch}", row.judged.trial.state]
