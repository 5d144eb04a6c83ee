"""The audit of early stopping, drawn."""

from collections.abc import Callable
from pathlib import Path

import pytest

from twinverify.reports.page.fidelity import fidelity
from twinverify.reports.page.write import make_page, write_page
from twinverify.search.fidelity import FidelityAudit, RungAudit
from twinverify.verification.intervals import Interval

RUNGS = (RungAudit(1, 30, 0.4, Interval(0.1, 0.6)), RungAudit(3, 12, 0.9, None), RungAudit(9, 2, None, None))


def test_each_rung_stands_at_its_correlation_with_its_interval() -> None:
    figure = fidelity(FidelityAudit(RUNGS, 0, 0)).figure
    assert figure is not None
    [shown] = figure.data
    assert list(shown.x) == ["rung 1", "rung 3"]
    assert list(shown.y) == [0.4, 0.9]
    assert list(shown.error_y.array) == pytest.approx([0.2, 0])
    assert list(shown.error_y.arrayminus) == pytest.approx([0.3, 0])


@pytest.mark.parametrize(
    ("audit", "words"),
    [
        (FidelityAudit(RUNGS, 7, 2, Interval(0.04, 0.71)), "7 trials that were to be stopped ran to the end"),
        (FidelityAudit(RUNGS, 7, 2, Interval(0.04, 0.71)), "(95 % interval of the share that would: 4% to 71%)."),
        (
            FidelityAudit(RUNGS, 1, 0, Interval(0.0, 0.97)),
            "1 trial that was to be stopped ran to the end",
        ),
        (FidelityAudit(RUNGS, 0, 0), "not known whether one would have won."),
    ],
)
def test_it_says_what_became_of_those_that_were_let_run(audit: FidelityAudit, words: str) -> None:
    assert words in fidelity(audit).how


def test_without_a_correlation_the_reason_stands_there() -> None:
    plot = fidelity(FidelityAudit(RUNGS[2:], 0, 0))
    assert plot.figure is None
    assert "enough trials" in plot.why_not


def test_the_page_has_it_where_trials_are_stopped_early(written: Callable[..., Path]) -> None:
    stories = [("completed", [0.4 - number / 100, 0.4, 0.3 - number / 90, 0.3], None) for number in range(6)]
    folder = written(stories, grace_epochs=1)
    assert "fidelity" in make_page(folder).figures
    assert 'data-figure="figure-fidelity"' in write_page(folder).read_text(encoding="utf-8")


def test_without_early_stopping_nobody_asks_whether_it_was_right(written: Callable[..., Path]) -> None:
    folder = written([("completed", [0.4, 0.4, 0.3, 0.3], None)] * 6, scheduler="none")
    assert 'id="fidelity"' not in write_page(folder).read_text(encoding="utf-8")
