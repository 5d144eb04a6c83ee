"""The leaderboard: best first, ties by number, the default always to be seen."""

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from twinverify.reports import leaderboard as shown
from twinverify.reports.board import Board
from twinverify.search.past import PastSweep
from twinverify.search.plan import SweepPlan
from twinverify.search.planned import StoredSweep
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

Tell = Callable[..., int]


def verdict(state: SweepState) -> str:
    return shown.verdict(board_of(state))


def board_of(state: SweepState) -> Board:
    """Give the board of a sweep whose trials kept no scores; what it was started with is not looked at."""
    return Board([PastSweep(Path("mine"), cast(StoredSweep, None), state)], {})


def printed(state: SweepState, width: int = 140, rows: int = 10) -> str:
    console = Console(file=io.StringIO(), record=True, width=width, height=40)
    console.print(shown.leaderboard(board_of(state), "Leaderboard of mine", width=width, rows=rows))
    return console.export_text()


def rows_of(text: str) -> list[list[str]]:
    """Give the cells of each row but the continued ones."""
    rows = [[cell.strip() for cell in line.strip("│┃ ").split("│")] for line in text.splitlines() if "│" in line]
    return [row for row in rows if row[0].isdecimal()]


def test_the_best_comes_first_and_of_equals_the_earlier(state: SweepState, tell: Tell) -> None:
    for value in (0.4, 0.2, 0.3, 0.2, 0.1):
        tell(value)
    assert [each.trial.number for each in state.ranked()] == [4, 1, 3, 2, 0]


def test_trials_without_a_value_are_not_ranked_and_failed_ones_come_last(state: SweepState, tell: Tell) -> None:
    tell(0.4)
    tell()
    tell(0.01, fails="out of memory")
    tell(fails="at once")
    tell(0.3)
    assert [each.trial.number for each in state.ranked()] == [4, 0, 2]


def test_more_is_better_for_an_auc(plan: SweepPlan, tmp_path: Path) -> None:
    state = SweepState(tmp_path, SweepStudy(plan.space, "random", 0), None, objective="val/twin_auc", epochs=4)
    for number, value in enumerate((0.6, 0.9, 0.7)):
        state.draw()
        state.report(number, 1, {"val/twin_auc": value})
    state.close()
    assert [each.trial.number for each in state.ranked()] == [1, 2, 0]
    assert "Best: trial 1, val/twin_auc 0.9000 at epoch 1; the default configuration: 0.6000." in verdict(state)


def test_a_row_tells_rank_trial_best_value_epoch_and_state(state: SweepState, tell: Tell) -> None:
    tell(0.5, 0.3, 0.35, 0.4)
    tell(0.45, 0.41)
    assert [row[:3] + row[-3:-1] for row in rows_of(printed(state))] == [
        ["1", "0 (default)", "0.3000", "2 of 4", "completed"],
        ["2", "1", "0.4100", "2 of 2", "running"],
    ]


def test_the_default_is_marked_and_shown_even_far_down(state: SweepState, tell: Tell) -> None:
    tell(0.9)
    for number in range(1, 20):
        tell(0.8 - number / 100)
    rows = rows_of(printed(state, rows=3))
    assert [row[:2] for row in rows] == [["1", "19"], ["2", "18"], ["3", "17"], ["20", "0 (default)"]]


def test_metrics_beside_the_objective_are_those_of_its_best_epoch(state: SweepState, tell: Tell) -> None:
    number = tell()
    state.report(number, 1, {"val/twin_eer": 0.3, "val/general_eer": 0.11, "val/twin_auc": 0.7})
    state.report(number, 2, {"val/twin_eer": 0.4, "val/general_eer": 0.05})
    text = printed(state)
    assert rows_of(text)[0][2:5] == ["0.3000", "0.7000", "0.1100"]
    assert re.search(r"twin +│ +twin +│ +general.*\n.*EER +│ +AUC +│ +EER", text.replace("┃", "│"))
    assert "TAR" not in text


@pytest.mark.parametrize("width", [60, 80, 110, 140, 200])
def test_it_fits_the_terminal_and_keeps_the_numbers_whole(state: SweepState, tell: Tell, width: int) -> None:
    for number in range(12):
        tell(0.5 - number / 100, twin_auc=0.6, general_eer=0.1)
    text = printed(state, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert all(f"{0.5 - number / 100:.4f}" in text for number in (0, *range(2, 12)))
    assert "0.1000" in text
    assert ("0.6000" in text) == (width >= 110)


def test_a_narrow_terminal_still_shows_what_was_drawn(state: SweepState, tell: Tell) -> None:
    tell(0.5)
    text = printed(state, 80)
    drawn = "".join(line.split("│")[-2].strip() + " " for line in text.splitlines() if "│" in line)
    assert "heads 3" in drawn
    assert "local_ratio" in drawn.replace(" ", "")


def test_drawn_values_that_look_like_markup_are_printed_as_they_are(state: SweepState, tell: Tell) -> None:
    tell(0.5)
    state.trials[0].values["model.weights"] = "/data/[bold]x[/nope].pth"
    assert "/data/[bold]x[/nope].pth" in printed(state, 200)


def test_an_empty_sweep_has_an_empty_board(state: SweepState, tell: Tell) -> None:
    assert rows_of(printed(state)) == []
    tell()
    assert rows_of(printed(state)) == []


@pytest.mark.parametrize(
    ("trials", "line"),
    [
        ([], "No trial has a result yet."),
        ([()], "No trial has a result yet."),
        (
            [(0.3, 0.2), (0.4,)],
            "Best: trial 0, val/twin_eer 0.2000 at epoch 2: the default configuration; no trial did better.",
        ),
        (
            [(0.3,), (0.3,)],
            "Best: trial 0, val/twin_eer 0.3000 at epoch 1: the default configuration; no trial did better.",
        ),
        ([(0.3,), (0.5, 0.25)], "Best: trial 1, val/twin_eer 0.2500 at epoch 2; the default configuration: 0.3000."),
        ([(), (0.5,)], "Best: trial 1, val/twin_eer 0.5000 at epoch 1; the default has no result yet."),
    ],
)
def test_the_verdict_is_one_line(state: SweepState, tell: Tell, trials: list[tuple[float, ...]], line: str) -> None:
    for values in trials:
        tell(*values)
    assert verdict(state) == line


@pytest.mark.parametrize("values", [(), (0.1,)])
def test_the_verdict_says_that_the_default_failed(state: SweepState, tell: Tell, values: tuple[float, ...]) -> None:
    tell(*values, fails="out of memory")
    assert verdict(state) == "All 1 trials failed; the first: out of memory"
    tell(0.4)
    assert verdict(state) == "Best: trial 1, val/twin_eer 0.4000 at epoch 1; the default configuration failed."


@pytest.mark.parametrize("width", [64, 80, 120])
def test_the_drawn_values_are_to_be_read_at_every_width(state: SweepState, tell: Tell, width: int) -> None:
    tell(0.5, 0.3)
    tell(0.4, 0.35)
    text = printed(state, width)
    assert max(map(len, text.splitlines())) <= width
    drawn = "".join(line.strip("│ ").split("│")[-1].strip() for line in text.splitlines() if "│" in line)
    for trial in state.trials:
        assert all(key.rsplit(".", 1)[-1] in drawn for key in trial.values)
