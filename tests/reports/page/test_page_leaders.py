"""The leaderboard of the page."""

from collections.abc import Callable

from twinverify.reports.page.leaders import leaders
from twinverify.reports.page.told import Sweep
from twinverify.verification.intervals import Interval

Tell = Callable[..., int]


def test_the_best_stands_first_and_failed_trials_last(sweep: Sweep, tell: Tell) -> None:
    tell(0.4)
    tell(0.1, fails="diverged")
    tell(0.2)
    tell(0.3)
    table = leaders(sweep)
    assert [row.cells[1].sort for row in table.rows] == [2, 3, 0, 1]
    assert [row.kind for row in table.rows] == ["best", "", "default", "failed"]
    assert [row.cells[0].text for row in table.rows] == ["1", "2", "3", ""]


def test_cells_are_sorted_by_numbers_not_by_their_text(sweep: Sweep, tell: Tell) -> None:
    for value in (0.4, 0.09, 0.3):
        tell(value)
    column = [column.name for column in leaders(sweep).columns].index("twin_eer")
    assert [row.cells[column].sort for row in leaders(sweep).rows] == [0.09, 0.3, 0.4]


def test_intervals_and_ties_stand_beside_the_value(judged_by: Callable[..., Sweep], tell: Tell) -> None:
    for value in (0.4, 0.3, 0.35):
        tell(value)
    table = leaders(judged_by({1: Interval(0.21, 0.39)}, tied=[2]))
    texts = {row.cells[1].sort: (row.cells[2].text, row.cells[2].mark) for row in table.rows}
    assert texts == {1: ("0.3000 [0.210, 0.390]", ""), 2: ("0.3500", "tied"), 0: ("0.4000", "")}
    assert "tied" in table.how


def test_without_evidence_nothing_is_said_of_it(sweep: Sweep, tell: Tell) -> None:
    tell(0.4)
    how = leaders(sweep).how
    assert "interval" not in how
    assert "tied" not in how


def test_other_metrics_and_drawn_values_have_columns_of_their_own(sweep: Sweep, tell: Tell) -> None:
    tell(0.4, twin_auc=0.7, general_eer=0.1)
    table = leaders(sweep)
    names = [column.name for column in table.columns]
    assert names[:6] == ["#", "trial", "twin_eer", "twin_auc", "general_eer", "epoch"]
    texts = dict(zip(names, (cell.text for cell in table.rows[0].cells), strict=True))
    assert texts["twin_auc"] == "0.7000"
    assert texts["local_ratio"] == "0.15"
    assert texts["epoch"] == "1 of 1"


def test_a_running_trial_without_a_value_has_a_row_too(sweep: Sweep, tell: Tell) -> None:
    tell(0.4)
    tell()
    row = leaders(sweep).rows[-1]
    assert row.cells[1].text == "1"
    assert row.cells[2].text == ""
