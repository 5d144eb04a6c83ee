"""Slices and the smoothed value over two settings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from page_figures import trace

from twinverify.reports.page.axis import Axis
from twinverify.reports.page.importance import Importance
from twinverify.reports.page.pair_of_settings import contour, slices, smoothed, two_settings
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.settings_study import settings_study
from twinverify.reports.page.told import Sweep
from twinverify.verification.intervals import Interval


def sweep_of(written: Callable[..., Path], trials: int = 8) -> Sweep:
    return sweep_in(written([("completed", [0.4 - 0.01 * number] * 4, None) for number in range(trials)]))


def judged(*names: str) -> list[Importance]:
    return [Importance(name, 0.5, Interval(0.2, 0.8), 0.1) for name in names]


def test_marks_are_what_the_trials_drew_and_their_values(written: Callable[..., Path]) -> None:
    sweep = sweep_of(written)
    study = settings_study(sweep)
    plot = slices(sweep, study, judged("local_ratio", "selection"))
    assert plot.figure is not None
    across = {axis: {} for axis in ("x", "x2")}
    for each in plot.figure.data:
        across[each.xaxis] |= dict(zip(each.x, each.y, strict=True))
    drawn = {trial.params["local_ratio"]: trial.value for trial in study.trials if "local_ratio" in trial.params}
    assert across["x"] == pytest.approx(drawn)
    assert set(across["x2"]) == {trial.params["selection"] for trial in study.trials if "selection" in trial.params}


def test_the_best_is_marked_only_where_it_has_the_setting(written: Callable[..., Path]) -> None:
    stories = [("completed", [0.4] * 4, None)] * 4 + [("completed", [0.1] * 4, {"model.glca.blocks": 0})]
    sweep = sweep_in(written(stories))
    plot = slices(sweep, settings_study(sweep), judged("local_ratio", "blocks"))
    assert plot.figure is not None
    best = [each for each in plot.figure.data if each.name == "best"]
    assert [(each.xaxis, list(each.x)) for each in best] == [("x2", [0])]


def test_a_point_is_the_mean_of_the_trials_near_it_and_empty_far_from_all() -> None:
    places, values = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([0.2, 0.6])
    found = smoothed(places, values, np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0]), (False, False))
    assert found[0] == pytest.approx([0.2, np.nan, 0.6], abs=1e-9, nan_ok=True)
    assert np.isnan(found[1]).all()


def test_between_two_choices_nothing_is_near() -> None:
    places, values = np.array([[0.0, 0.0], [0.1, 0.0]]), np.array([0.2, 0.6])
    found = smoothed(places, values, np.array([0.0, 0.1]), np.array([0.0]), (True, False))
    assert found[0].tolist() == [0.2, 0.6]
    found = smoothed(places, values, np.array([0.0, 0.1]), np.array([0.0]), (False, False))
    assert 0.3 < found[0, 0] < found[0, 1] < 0.5


def test_a_logarithmic_setting_is_placed_by_its_logarithm() -> None:
    assert Axis("lr", (), 1e-4, 1e-2, log=True).place(1e-3) == pytest.approx(0.5)
    places, values = Axis("lr", (), 1e-4, 1e-2, log=True).grid()
    assert values[0] == pytest.approx(1e-4)
    assert values[-1] == pytest.approx(1e-2)
    assert np.diff(np.log(values)) == pytest.approx(np.full(len(values) - 1, np.log(100) / (len(places) - 1)))


def test_the_ground_is_drawn_over_both_settings(written: Callable[..., Path]) -> None:
    sweep = sweep_of(written)
    plot = contour(sweep, settings_study(sweep), judged("local_ratio", "blocks"))
    assert plot.figure is not None
    ground = plot.figure.data[0]
    assert list(ground.y) == [0, 1, 2, 3]  # whole numbers: nothing in between
    assert np.isfinite(np.array(ground.z, float)).any()
    assert len(trace(plot.figure, "default").x) == 1


def test_too_few_trials_with_both_settings_give_the_reason(written: Callable[..., Path]) -> None:
    sweep = sweep_of(written, 2)
    plot = contour(sweep, settings_study(sweep), judged("local_ratio", "blocks"))
    assert plot.figure is None
    assert plot.why_not


def test_while_nothing_is_known_those_are_drawn_that_most_trials_have(written: Callable[..., Path]) -> None:
    sweep = sweep_of(written, 5)
    assert two_settings([], settings_study(sweep))[0] == "blocks"
    assert "Too few trials" in slices(sweep, settings_study(sweep), []).how
