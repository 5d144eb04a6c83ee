"""The trials as Optuna's tools get them: stopped ones made comparable, the default's values where they are searched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_trials import study_with_effects
from optuna.study import StudyDirection

from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.settings_study import mean_gains, part_of, settings_study
from twinverify.search.plan import SweepPlan

STORIES = [
    ("completed", [0.5, 0.4, 0.4, 0.3], None),
    ("completed", [0.4, 0.45, 0.3, 0.35], None),
    ("pruned", [0.6], None),
    ("failed", [0.1], None),
    ("running", [0.2], None),
]


def test_a_stopped_trial_stands_where_the_completed_ones_gains_would_have_brought_it(
    written: Callable[..., Path],
) -> None:
    sweep = sweep_in(written(STORIES))
    gains = mean_gains(sweep)
    assert gains[1] == pytest.approx(-0.15)  # -0.2 and -0.1
    assert gains[4] == 0
    values = {trial.user_attrs["trial"]: trial.value for trial in settings_study(sweep).trials}
    assert values == pytest.approx({0: 0.3, 1: 0.3, 2: 0.45})


def test_of_a_metric_to_maximise_the_gain_is_upwards(written: Callable[..., Path]) -> None:
    stories = [("completed", [0.5, 0.7, 0.6, 0.6], None), ("pruned", [0.4], None)]
    study = settings_study(sweep_in(written(stories, objective="val/twin_auc")))
    assert study.direction == StudyDirection.MAXIMIZE
    assert [trial.value for trial in study.trials] == pytest.approx([0.7, 0.6])


def test_without_a_completed_trial_values_stay_as_they_are(written: Callable[..., Path]) -> None:
    study = settings_study(sweep_in(written([("pruned", [0.4], None), ("pruned", [0.6], None)])))
    assert [trial.value for trial in study.trials] == [0.4, 0.6]


def test_settings_have_short_names_and_only_values_that_are_searched(written: Callable[..., Path]) -> None:
    sweep = sweep_in(written(STORIES))
    [default, *_] = settings_study(sweep).trials
    short = {key.rsplit(".", 1)[-1]: value for key, value in sweep.trials[0].values.items()}
    assert default.params.items() <= short.items()
    assert "local_ratio" in default.params


def test_a_default_outside_of_what_is_searched_has_no_place(written: Callable[..., Path], plan: SweepPlan) -> None:
    default = plan.space.default_values() | {"model.glca.local_ratio": 0.9}
    [trial] = settings_study(sweep_in(written([("completed", [0.4] * 4, default)]))).trials
    assert "local_ratio" not in trial.params
    assert "selection" in trial.params


def test_of_many_trials_the_best_and_some_of_all_others_are_kept() -> None:
    study = study_with_effects(100)
    part = part_of(study, 20, ["strong"])
    values = sorted(trial.value or 0 for trial in study.trials)
    kept = sorted(trial.value or 0 for trial in part.trials)
    assert len(kept) == 20
    assert kept[:10] == values[:10]
    assert kept[-1] >= values[85]


def test_trials_without_any_of_the_settings_are_left_out() -> None:
    assert len(part_of(study_with_effects(30), 20, ["rare"]).trials) == 4
