"""Leaderboards for machines: every trial, best first; numbers read back as they were."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from twinverify.reports.board import Board
from twinverify.reports.export import as_csv, as_json
from twinverify.search.past import PastSweep
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState

Tell = Callable[..., int]


@pytest.fixture
def past(plan: SweepPlan, state: SweepState, tell: Tell) -> PastSweep:
    """A sweep of a default, a better one, one that failed before a value, and one that runs."""
    tell(0.5, 0.4, general_eer=0.1)
    tell(0.3, 1 / 3, general_eer=0.2)
    tell(fails='out of memory, "really"')
    tell(0.45)
    return PastSweep(plan.folder, plan.stored(), state)


def trials(past: PastSweep, rows: int | None = None) -> list[dict[str, Any]]:
    (board,) = json.loads(as_json([Board([past], {})], rows))
    found: list[dict[str, Any]] = board["trials"]
    return found


def table(*sweeps: PastSweep) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv([Board(sweeps, {})]))))


def test_json_has_every_trial_the_best_first_and_those_without_a_value_last(past: PastSweep) -> None:
    told = [(each["rank"], each["trial"], each["value"], each["epoch"], each["epochs"]) for each in trials(past)]
    assert told == [(1, 1, 0.3, 1, 2), (2, 0, 0.4, 2, 2), (3, 3, 0.45, 1, 1), (None, 2, None, None, 0)]


def test_json_has_metrics_of_the_best_epoch_and_all_drawn_values(past: PastSweep) -> None:
    (board,) = json.loads(as_json([Board([past], {})]))
    assert (board["sweep"], board["objective"], board["epochs"]) == ("glca_heads", "val/twin_eer", 4)
    first = board["trials"][0]
    assert first["metrics"] == {"val/twin_eer": 0.3, "train/loss": 1.0, "val/general_eer": 0.2}
    assert first["values"] == past.state.trials[1].values
    assert board["trials"][-1]["cause"] == 'out of memory, "really"'


def test_rows_limits_each_sweep(past: PastSweep) -> None:
    assert [each["trial"] for each in trials(past, 2)] == [1, 0]
    assert as_csv([Board([past, past], {})], 2).count("\n") == 5


def test_csv_has_a_row_a_trial_and_its_numbers_read_back(past: PastSweep) -> None:
    rows = table(past, past)
    assert len(rows) == 8
    assert {row["sweep"] for row in rows} == {"glca_heads"}
    assert [row["trial"] for row in rows[:4]] == ["1", "0", "3", "2"]
    assert [row["value"] for row in rows[:4]] == ["0.3", "0.4", "0.45", ""]
    assert rows[3]["cause"] == 'out of memory, "really"'
    assert float(rows[0]["val/general_eer"]) == 0.2
    for row in rows:
        values = past.state.trials[int(row["trial"])].values
        assert {key: _read(row[key]) for key in values} == values


def _read(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        return cell


def test_csv_of_a_value_that_is_none_is_null(past: PastSweep) -> None:
    past.state.trials[1].values["train.clip"] = None
    row = table(past)[0]
    assert row["train.clip"] == "null"
    assert table(past)[1]["train.clip"] == ""
