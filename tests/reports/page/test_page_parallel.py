"""Parallel coordinates: a line a trial, coloured by its value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from twinverify.reports.page.look import BEST
from twinverify.reports.page.parallel import MOST, parallel
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.settings_study import settings_study
from twinverify.reports.page.told import Plot


def drawn(folder: Path) -> Plot:
    sweep = sweep_in(folder)
    return parallel(sweep, settings_study(sweep))


@pytest.mark.parametrize(("objective", "best"), [("val/twin_eer", 0.1), ("val/twin_auc", 0.9)])
def test_the_best_line_is_orange_and_on_top(written: Callable[..., Path], objective: str, best: float) -> None:
    values = (0.5, best, 0.4, 0.6)
    plot = drawn(written([("completed", [value] * 4, None) for value in values], objective=objective))
    assert plot.figure is not None
    lines = [each for each in plot.figure.data if each.mode == "lines"]
    red, green, blue = (int(BEST[place : place + 2], 16) for place in (1, 3, 5))
    assert len(lines) == 4
    assert lines[-1].line.color == f"rgb({red}, {green}, {blue})"
    assert lines[-1].customdata[0][1] == f"{best:g}"


def test_a_setting_that_does_not_exist_for_a_trial_is_none(written: Callable[..., Path]) -> None:
    plot = drawn(written([("completed", [0.4] * 4, None), ("completed", [0.3] * 4, {"model.glca.blocks": 0})]))
    assert plot.figure is not None
    shown = {row[1] for each in plot.figure.data if each.mode == "lines" for row in each.customdata}
    assert "none" in shown


def test_of_very_many_trials_a_part_is_drawn_and_that_is_said(written: Callable[..., Path]) -> None:
    plot = drawn(written([("completed", [0.2 + 0.001 * number], None) for number in range(MOST + 20)]))
    assert plot.figure is not None
    assert len([each for each in plot.figure.data if each.mode == "lines"]) == MOST
    assert f"Of {MOST + 20} trials" in plot.how


def test_one_trial_gives_the_reason(written: Callable[..., Path]) -> None:
    assert drawn(written([("completed", [0.4] * 4, None)])).figure is None
