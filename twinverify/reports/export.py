"""Leaderboards for machines: every trial of each sweep, best first, those without a value last."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any, Final

from twinverify.reports.board import Board
from twinverify.reports.scored import Key
from twinverify.search.past import PastSweep
from twinverify.streams import visible
from twinverify.verification.ties import chances_of_best

_FORMULA: Final = ("=", "+", "-", "@")
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")


def as_json(boards: Sequence[Board], rows: int | None = None) -> str:
    """Give the first `rows` trials of each sweep (None: all) as JSON: a list with an object for each sweep.

    A trial has `intervals` (95 %, by family bootstrap) of its metrics at `epoch`, its best; `tied` says whether it
    cannot be told from the best of the sweeps that are compared; `chance_of_best` is among those of its sweep that were
    measured on the same families as that one's best. Both are null where that is not estimable.
    """
    told = [
        {
            "sweep": past.name,
            "objective": past.state.objective,
            "epochs": past.state.epochs,
            "trials": _trials(board, past)[:rows],
        }
        for board, past in _each(boards)
    ]
    return json.dumps(told, indent=1)


def as_csv(boards: Sequence[Board], rows: int | None = None) -> str:
    """Give the first `rows` trials of each sweep (None: all) as one CSV table; metrics and values are columns.

    The bounds of an interval stand in columns of their own: `val/twin_eer_low`, `val/twin_eer_high`.
    """
    lines = [_flat(past, trial) for board, past in _each(boards) for trial in _trials(board, past)[:rows]]
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(lines), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _each(boards: Sequence[Board]) -> Iterator[tuple[Board, PastSweep]]:
    for board in boards:
        for past in board.sweeps:
            yield board, past


def _trials(board: Board, past: PastSweep) -> list[dict[str, Any]]:
    """Give all trials; `epoch` is the best one's, and `metrics` are those of it."""
    judged = {row.key.trial: row.judged for row in board.of(past).rows}
    rest = [trial.number for trial in past.state.trials if trial.number not in judged]
    chances = _chances(board.of(past))
    found = []
    for rank, number in enumerate([*judged, *rest], 1):
        trial, each, key = past.state.trials[number], judged.get(number), Key(past.name, number)
        is_best = board.best is not None and key == board.best.key
        found.append(
            {
                "rank": rank if each else None,
                "trial": number,
                "state": trial.state,
                "epochs": trial.epoch,
                "epoch": each.epoch if each else None,
                "value": each.value if each else None,
                "tied": is_best or key in board.tied if board.can_compare(key) else None,
                "chance_of_best": chances.get(key),
                "cause": trial.cause,
                "metrics": each.metrics if each else {},
                "intervals": _intervals(board, key),
                "values": trial.values,
            }
        )
    return found


def _chances(board: Board) -> dict[Key, float]:
    """Give how often each trial is the best where families are drawn anew."""
    keys = [row.key for row in board.rows if board.can_compare(row.key)]
    chances = chances_of_best(board.metric, [board.estimates[key][board.metric] for key in keys])
    # No drawing may have the metric for all: then nobody has a chance that could be told.
    return {key: float(chance) for key, chance in zip(keys, chances, strict=True) if isfinite(chance)}


def _intervals(board: Board, key: Key) -> dict[str, list[float]]:
    found = board.estimates.get(key, {})
    return {f"val/{name}": [*each.interval] for name, each in found.items() if each.interval is not None}


def _flat(past: PastSweep, trial: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in trial.items() if key not in ("metrics", "intervals", "values")}
    bounds = {
        f"{name}_{side}": bound
        for name, interval in trial["intervals"].items()
        for side, bound in zip(("low", "high"), interval, strict=True)
    }
    # JSON's spelling, so that null and true read back: CSV knows neither.
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in trial["values"].items()}
    line = {"sweep": past.name, "objective": past.state.objective, **plain, **trial["metrics"], **bounds, **values}
    return {_harmless(key): _harmless(value) for key, value in line.items()}


def _harmless(cell: Any) -> Any:
    """Give a cell that neither steers a terminal nor is run by a spreadsheet: a formula's text gets an apostrophe."""
    if not isinstance(cell, str):
        return cell
    shown = visible(cell, keep="")
    return f"'{shown}" if shown.startswith(_FORMULA) and not _NUMBER.fullmatch(shown) else shown


def _columns(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Give all keys: those of every trial first, then metrics and values in the order in which they come up."""
    return list(dict.fromkeys(key for line in lines for key in line))
