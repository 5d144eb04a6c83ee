"""The leaderboard of a sweep as its MLflow run shows it: a table of all trials, and the first ones in words."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_scores import scores_of

from twinverify.reports.board import Board, boards
from twinverify.reports.board_table import board_markdown, board_table
from twinverify.search.past import PastSweep
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.training.names import SCORES

Tell = Callable[..., int]


@pytest.fixture
def board(plan: SweepPlan, state: SweepState, tell: Tell, tmp_path: Path) -> Board:
    """A sweep of a default and a better trial with scores, and one that failed before its first report."""
    for number, value in enumerate((0.11, 0.10)):
        tell(value)
        (tmp_path / f"{number:05d}").mkdir()
        scores_of(twins=0.25, seed=number).save(tmp_path / f"{number:05d}" / SCORES)
    return boards([PastSweep(tmp_path, plan.stored(), state)])[0]


def test_the_table_has_every_trial_with_its_interval_and_values(board: Board) -> None:
    columns, rows = board_table(board)
    best, default = (dict(zip(columns, row, strict=True)) for row in rows)
    assert (best["rank"], best["trial"], best["val/twin_eer"], best["tied"]) == (1, 1, 0.10, True)
    assert (default["rank"], default["trial"], default["val/twin_eer"]) == (2, 0, 0.11)
    assert best["low"] < best["high"]
    trial = board.rows[0].judged.trial
    assert {key: best[key] for key in trial.values} == trial.values


def test_the_description_begins_with_the_verdict_and_marks_the_default(board: Board) -> None:
    lines = board_markdown(board).splitlines()
    assert lines[0].startswith("Best: trial 1, val/twin_eer 0.1000 (95 % ")
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| 1 | 1 | 0.1000 | ")
    assert "| 0 (default) | 0.1100 |" in table[3]
