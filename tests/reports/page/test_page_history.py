"""The history: each trial's value as the journal has it, its interval, the running best."""

from collections.abc import Callable
from pathlib import Path

import pytest
from page_figures import trace

from twinverify.reports.page.history import history
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.told import Sweep
from twinverify.verification.intervals import Interval


def test_each_trial_stands_at_its_best_epoch_by_state(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell(0.4, 0.3, 0.35, 0.33)  # the default, completed
    tell(0.5, 0.45)  # running
    tell(0.2, fails="it broke")
    figure = history(sweep).figure

    completed, running, failed = (trace(figure, name) for name in ("completed", "running", "failed"))

    assert list(completed.x) == [0]
    assert list(completed.y) == [0.3]
    assert list(running.x) == [1]
    assert list(running.y) == [0.45]
    assert list(failed.x) == [2]
    assert failed.y[0] > 0.45  # what it reached before it failed ranks nothing: beyond the worst


def test_bars_are_the_intervals(judged_by: Callable[..., Sweep], tell: Callable[..., int]) -> None:
    tell(0.3, 0.3, 0.3, 0.3)
    tell(0.25, 0.25, 0.25, 0.25)
    bars = trace(history(judged_by({0: Interval(0.2, 0.45)})).figure, "completed").error_y

    assert list(bars.array) == pytest.approx([0.15, 0])
    assert list(bars.arrayminus) == pytest.approx([0.1, 0])


@pytest.mark.parametrize(
    ("objective", "best"), [("val/twin_eer", [0.4, 0.3, 0.3, 0.2, 0.2]), ("val/twin_auc", [0.4, 0.4, 0.5, 0.5, 0.5])]
)
def test_the_running_best_follows_the_sign_of_the_metric(
    written: Callable[..., Path], objective: str, best: list[float]
) -> None:
    folder = written([("completed", [value], None) for value in (0.4, 0.3, 0.5, 0.2)], objective=objective)
    plot = history(sweep_in(folder))
    assert list(trace(plot.figure, "best so far").y) == best
    assert ("higher is better" in plot.how) == (objective == "val/twin_auc")


def test_a_failed_trial_is_never_the_running_best(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell(0.4)
    tell(0.1, fails="diverged")
    tell(0.3)
    line = trace(history(sweep).figure, "best so far")
    assert list(line.y) == [0.4, 0.3, 0.3]


def test_without_a_value_the_reason_stands_there(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell(fails="out of memory")
    plot = history(sweep)
    assert plot.figure is None
    assert plot.why_not == "No trial has a value yet."


def test_words_from_outside_carry_no_markup(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell(0.3)
    tell(fails='epoch 1: <a href="https://example.org">look</a>')
    [text] = trace(history(sweep).figure, "failed").text
    assert "<a" not in text
    assert "&lt;a" in text
