"""A running sweep as a table and as lines."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from twinverify.reports.pace import Pace
from twinverify.reports.table import SweepTable
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState

Tell = Callable[..., int]
SIZES = pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40), (60, 10), (300, 80)])
NASTY = "[red]boom[/nope] RuntimeError: [/] shapes [2, 3] and\ttabs"


def printed(table: SweepTable, width: int = 140, height: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=width, height=height, force_terminal=True)
    console.print(table.render(height))
    return console.export_text().splitlines()


@SIZES
def test_before_the_first_trial_there_is_a_table_already(
    plan: SweepPlan, state: SweepState, width: int, height: int
) -> None:
    lines = printed(SweepTable(plan, state), width, height)
    assert "Sweep glca_heads" in lines[0]
    assert lines[-1].startswith("0 of 40 trials done in 0 s")


@SIZES
def test_many_trials_fit_the_terminal(plan: SweepPlan, state: SweepState, tell: Tell, width: int, height: int) -> None:
    for number in range(30):
        tell(*[0.5 - number / 100] * (4 if number % 3 else 2), **({"fails": NASTY} if number % 7 == 3 else {}))
    lines = printed(SweepTable(plan, state), width, height)
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= max(height, 10)
    assert "30 of 40" not in lines[-1]


def test_running_trials_come_first_then_those_that_ended_last(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    for number in range(6):
        tell(*[0.5] * (1 if number in (2, 5) else 4))
    for trial in state.trials:
        if trial.ended_at:
            trial.ended_at += trial.number  # they ended within a millisecond
    rows = [line.split("│")[1].strip() for line in printed(SweepTable(plan, state)) if "│" in line]
    assert rows == ["2", "5", "4", "3", "1", "0 (default)"]


def test_a_row_tells_epoch_best_value_and_what_was_drawn(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    tell(0.5, 0.3, 0.4)
    tell()
    text = "\n".join(printed(SweepTable(plan, state)))
    assert "3/4" in text
    assert "0.3000" in text
    assert "starting" in text
    assert "glca" not in text.split("\n", 1)[1].replace("glca_heads", "")  # names as short as can be
    assert "heads 3, local_ratio 0.15" in text


def test_a_failed_trial_shows_its_cause_as_it_is(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    tell(0.5, fails="[red]boom[/nope] [/] shapes [2, 3]")
    assert any("[red]boom[/nope] [/] shapes [2, 3]" in line for line in printed(SweepTable(plan, state)))


def test_the_progress_line_names_the_best_so_far(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    tell(0.5, 0.5, 0.5, 0.4)
    tell(0.3)
    tell(0.01, fails="x")
    assert printed(SweepTable(plan, state))[-1].endswith("; best so far: trial 1, 0.3000")
    assert printed(SweepTable(plan, state))[-1].startswith("2 of 40 trials done in ")


def test_the_time_left_comes_from_the_epochs_seen_since_the_start(
    plan: SweepPlan, state: SweepState, tell: Tell
) -> None:
    tell(0.5, 0.5, 0.5, 0.5)
    tell(0.5)
    table = SweepTable(plan, state)
    for trial in state.trials:
        trial.drawn_at = table._began - 1000
        trial.reported_at = [trial.drawn_at + epoch for epoch in range(1, trial.epoch + 1)]
    assert (
        "left" not in printed(table)[-1]
    )  # what came before this start tells nothing: another machine may have run it
    for trial in state.trials:
        trial.drawn_at = table._began + 1
        trial.reported_at = [trial.drawn_at + 60 * epoch for epoch in range(1, trial.epoch + 1)]
    # 38 trials of 4 epochs and 3 of the running one, a minute each, in two slots.
    minutes = (38 * 4 + 3) / 2
    assert f"about 1:{int(minutes) - 60:02d} h left" in printed(table)[-1]


def test_when_all_is_done_no_time_is_left(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    table = SweepTable(plan, state)
    for _ in range(40):
        tell(0.5, 0.5, 0.5, 0.5)
    assert printed(table)[-1].startswith("40 of 40 trials done in ")
    assert "left" not in printed(table)[-1]


def test_lines_tell_of_beginning_and_end_and_of_nothing_between(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    table, told = SweepTable(plan, state), []
    state.listeners.append(lambda trial: told.append(table.line(trial)))
    tell(0.5, 0.3, 0.4, 0.4)
    started, *between, ended = told
    assert started is not None
    assert started.startswith("trial 0 started: glca.blocks 1, heads 3") or started.startswith(
        "trial 0 started: blocks 1, heads 3"
    )
    assert between == [None] * 3
    assert ended is not None
    assert ended.startswith("trial 0 completed after 4 epochs: val/twin_eer 0.3000 [1 of 40 done")


def test_the_line_of_a_failure_has_its_cause(plan: SweepPlan, state: SweepState, tell: Tell) -> None:
    tell(fails="out of GPU memory")
    line = SweepTable(plan, state).line(state.trials[0])
    assert line == "trial 0 failed after 0 epochs: no value (out of GPU memory) [1 of 40 done]"


def test_what_is_estimated_from_ended_trials_once_is_what_all_of_them_give(
    plan: SweepPlan, state: SweepState, tell: Tell
) -> None:
    pace = Pace(state, 0.0)
    for number in range(12):
        tell(*[0.5] * (0, 1, 2, 4)[number % 4], **({"fails": "x"} if number == 8 else {}))
        told, anew = pace.seconds_left(40, 2), Pace(state, 0.0).seconds_left(40, 2)
        assert told is None or told == pytest.approx(anew)
        assert pace.done == sum(trial.state != "running" for trial in state.trials)
    assert told
    assert len(pace._open) == len(state.running)
