"""The leaderboards of sweeps for machines: every trial, best first, those without a value last."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from twinverify.search.past import PastSweep


def boards_as_json(sweeps: Sequence[PastSweep], rows: int | None = None) -> str:
    """Give the first `rows` trials of each sweep (None: all) as JSON: a list with an object for each sweep."""
    boards = [
        {
            "sweep": past.name,
            "objective": past.state.objective,
            "epochs": past.state.epochs,
            "trials": _trials(past)[:rows],
        }
        for past in sweeps
    ]
    return json.dumps(boards, indent=1)


def boards_as_csv(sweeps: Sequence[PastSweep], rows: int | None = None) -> str:
    """Give the first `rows` trials of each sweep (None: all) as one CSV table; metrics and values are columns."""
    lines = [_flat(past, trial) for past in sweeps for trial in _trials(past)[:rows]]
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(lines), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _trials(past: PastSweep) -> list[dict[str, Any]]:
    """Give all trials; `epoch` is the best one's, and `metrics` are those of it."""
    judged = {each.trial.number: each for each in past.state.ranked()}
    rest = [trial.number for trial in past.state.trials if trial.number not in judged]
    found = []
    for rank, number in enumerate([*judged, *rest], 1):
        trial, each = past.state.trials[number], judged.get(number)
        found.append(
            {
                "rank": rank if each else None,
                "trial": number,
                "state": trial.state,
                "epochs": trial.epoch,
                "epoch": each.epoch if each else None,
                "value": each.value if each else None,
                "cause": trial.cause,
                "metrics": each.metrics if each else {},
                "values": trial.values,
            }
        )
    return found


def _flat(past: PastSweep, trial: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in trial.items() if key not in ("metrics", "values")}
    # JSON's spelling, so that null and true read back: CSV knows neither.
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in trial["values"].items()}
    return {"sweep": past.name, "objective": past.state.objective, **plain, **trial["metrics"], **values}


def _columns(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Give all keys: those of every trial first, then metrics and values in the order in which they come up."""
    return list(dict.fromkeys(key for line in lines for key in line))
