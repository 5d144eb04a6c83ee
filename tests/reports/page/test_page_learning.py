"""Values during training: the reports as they are, and where trials were stopped."""

from collections.abc import Callable
from pathlib import Path

import pytest
from page_figures import trace

from twinverify.reports.page.learning import learning
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.told import Sweep

STORIES = [
    ("completed", [0.4, 0.3, 0.35, 0.33], None),
    ("completed", [0.3, 0.2, 0.25, 0.21], None),
    ("pruned", [0.5], None),
    ("pruned", [0.6], None),
    ("completed", [0.39, 0.38, 0.37, 0.36], None),
    ("failed", [0.41, 0.42], None),
]


def test_the_lines_are_the_reports_with_gaps_between_trials(written: Callable[..., Path]) -> None:
    figure = learning(sweep_in(written(STORIES))).figure
    stopped = trace(figure, "stopped early")
    assert list(stopped.x) == [1, None, 1]
    assert list(stopped.y) == [0.5, None, 0.6]
    assert list(stopped.customdata) == [2, 2, 3]
    assert list(trace(figure, "failed").y) == [0.41, 0.42]


def test_the_best_and_the_default_stand_apart(written: Callable[..., Path]) -> None:
    figure = learning(sweep_in(written(STORIES))).figure
    assert list(trace(figure, "best: trial 1").y) == [0.3, 0.2, 0.25, 0.21]
    assert list(trace(figure, "default").y) == [0.4, 0.3, 0.35, 0.33]
    assert list(trace(figure, "completed").y) == [0.39, 0.38, 0.37, 0.36]


@pytest.mark.parametrize(("scheduler", "rungs"), [("asha", [1, 3]), ("none", [])])
def test_the_rungs_are_drawn_where_trials_were_compared(
    written: Callable[..., Path], scheduler: str, rungs: list[int]
) -> None:
    plot = learning(sweep_in(written(STORIES, scheduler=scheduler)))
    assert plot.figure is not None
    assert [shape.x0 for shape in plot.figure.layout.shapes] == rungs
    assert ("none was stopped early" in plot.how) == (scheduler == "none")


def test_hundreds_of_trials_are_a_handful_of_traces(written: Callable[..., Path]) -> None:
    plot = learning(sweep_in(written([("completed", [0.4, 0.3], None)] * 300)))
    assert plot.figure is not None
    assert len(plot.figure.data) <= 6


def test_before_the_first_report_the_reason_stands_there(sweep: Sweep, tell: Callable[..., int]) -> None:
    tell()
    assert learning(sweep).figure is None
