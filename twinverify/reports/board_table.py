"""The leaderboard of a sweep for its run in MLflow: as a table of all trials, and the first ones in Markdown."""

from typing import Any, Final

from twinverify.markdown import plain
from twinverify.reports.board import Board
from twinverify.reports.leaderboard import BESIDE, verdict
from twinverify.reports.words import rate_interval, settings, short_names

#: Trials in the description.
_SHOWN: Final = 10


def board_table(board: Board) -> tuple[list[str], list[list[Any]]]:
    """Give columns and rows: every trial that has a value, best first; what is not known is None.

    Args:
        board: of one sweep.
    """
    metrics = [board.objective, *_beside(board)]
    drawn = list(dict.fromkeys(key for row in board.rows for key in row.judged.trial.values))
    columns = ["rank", "trial", "state", "epoch", metrics[0], "low", "high", "tied", *metrics[1:], *drawn]
    rows = []
    for rank, row in enumerate(board.rows, 1):
        judged, interval = row.judged, board.interval(row.key)
        known = [judged.metrics.get(name) for name in metrics]
        tied = row.key in board.tied or row is board.best if board.can_compare(row.key) else None
        values = [judged.trial.values.get(key) for key in drawn]
        place = [rank, row.key.trial, judged.trial.state, judged.epoch]
        rows.append([*place, known[0], *(interval or (None, None)), tied, *known[1:], *values])
    return columns, rows


def board_markdown(board: Board) -> str:
    """Give the verdict and the best trials, and the default where it is not among them.

    Args:
        board: of one sweep.
    """
    beside = _beside(board)
    names = short_names(sorted({key for row in board.rows for key in row.judged.trial.values}))
    head = ["#", "trial", board.objective, "95 %", *beside, "drawn values"]
    lines = [plain(verdict(board)), "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for rank, row in enumerate(board.rows, 1):
        if rank > _SHOWN and not row.is_default:
            continue
        judged = row.judged
        others = [f"{judged.metrics[name]:.4f}" if name in judged.metrics else "" for name in beside]
        cells = [
            f"{rank}{' ~' if row.key in board.tied else ''}",
            f"{row.key.trial}{' (default)' if row.is_default else ''}",
            f"{judged.value:.4f}",
            rate_interval(board.interval(row.key)),
            *others,
            plain(settings(judged.trial.values, names)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if any(row.key in board.tied for row in board.rows):
        lines += ["", "~ a paired comparison on the same families cannot tell it from the best"]
    return "\n".join(lines)


def _beside(board: Board) -> list[str]:
    known = {name for row in board.rows for name in row.judged.metrics}
    return [name for name in BESIDE if name in known and name != board.objective]
