"""The timeline: which slot a trial ran on, how busy the slots were, when the sweep stood still."""

from collections.abc import Callable

import pytest

from twinverify.reports.page.slots import slots, timeline
from twinverify.reports.page.told import Sweep
from twinverify.search.record import EPOCH_SECONDS, Trial


def trial(number: int, drawn: float, reported: list[float], ended: float | None) -> Trial:
    made = Trial(number, {}, drawn)
    made.reported_at, made.reports = reported, [{"val/twin_eer": 0.3} for _ in reported]
    if ended is not None:
        made.state, made.ended_at = "completed", ended
    return made


def test_a_trial_takes_the_slot_that_is_free() -> None:
    line = timeline([trial(0, 100, [], 200), trial(1, 110, [], 150), trial(2, 150, [], 210), trial(3, 205, [], 220)])
    assert [bar.slot for bar in line.bars] == [0, 1, 1, 0]
    assert line.slots == 2
    assert [(bar.start, bar.end) for bar in line.bars][:2] == [(0, 100), (10, 50)]


def test_the_busy_share_is_what_was_used_of_the_slots_time() -> None:
    line = timeline([trial(0, 0, [], 100), trial(1, 0, [], 50)])
    assert line.busy == pytest.approx(0.75)


def test_a_running_trial_lasts_to_what_was_heard_last() -> None:
    line = timeline([trial(0, 0, [10, 20], None), trial(1, 0, [], 30)])
    assert [bar.end for bar in line.bars] == [30, 30]


def test_an_interruption_counts_neither_as_work_nor_as_idle() -> None:
    # Killed at 60 while both ran, continued at 10,060.
    first = trial(0, 0, [20, 40, 10_080], 10_080)
    second = trial(1, 0, [30, 60, 10_080], 10_080)
    line = timeline([first, second])
    assert line.pauses == [(60, 10_080)]
    assert line.busy == pytest.approx(1)
    assert line.span == 10_080


def test_the_share_at_work_is_that_of_the_epochs_from_the_first_report_to_the_last() -> None:
    # 10 s of setting up, epochs of 8 s that each leave 2 s for files; the other slot is done with its trial at 50.
    first = trial(0, 0, [20, 30, 40, 50, 60], 60)
    second = trial(1, 0, [20, 30, 40, 50], 50)
    for each in (first, second):
        each.reports = [{EPOCH_SECONDS: 8.0} for _ in each.reports]
    line = timeline([first, second])
    assert line.at_work == pytest.approx((4 * 8 + 3 * 8) / (2 * 40))
    assert line.bars[0].epochs[:2] == [(12, 20), (22, 30)]


def test_an_interruption_is_no_time_without_work() -> None:
    made = trial(0, 0, [20, 30, 10_030, 10_040], 10_040)
    made.reports = [{EPOCH_SECONDS: 10.0} for _ in made.reports]
    line = timeline([made])
    assert line.pauses == [(30, 10_030)]
    assert line.at_work == pytest.approx(1)


def test_reports_of_older_versions_tell_no_share() -> None:
    assert timeline([trial(0, 0, [10, 20], 30)]).at_work is None


def test_epochs_that_follow_at_once_are_drawn_as_one_line(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell(0.4, 0.3)
    (made,) = sweep.trials
    made.drawn_at, made.reported_at, made.ended_at = 0.0, [100.0, 200.0, 400.0], 400.0
    made.reports = [{EPOCH_SECONDS: 100.0}, {EPOCH_SECONDS: 99.95}, {EPOCH_SECONDS: 150.0}]
    plot = slots(sweep)
    assert plot.figure is not None
    (line,) = [trace for trace in plot.figure.data if trace.name == "training"]
    assert [round(x, 2) if x is not None else None for x in line.x] == [0, 3.33, None, 4.17, 6.67, None]
    assert "83.3% of the slots' time" in plot.how


def test_slow_epochs_are_no_interruption() -> None:
    line = timeline([trial(0, 0, [3600, 7200, 10_900], 10_900)])
    assert line.pauses == []


def test_the_figure_says_how_busy_the_slots_were(sweep: Sweep, tell: Callable[..., int]) -> None:
    for value in (0.4, 0.3):
        tell(value, value, value, value)
    plot = slots(sweep)
    assert plot.figure is not None
    assert list(plot.figure.data[0].y) == [1, 1]
    assert "The one slot was busy" in plot.how


def test_without_a_trial_the_reason_stands_there(sweep: Sweep) -> None:
    assert slots(sweep).figure is None
