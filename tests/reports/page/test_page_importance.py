"""Importances: what has an effect is told from what has none, and few trials claim nothing."""

import pytest
from made_up_trials import study_with_effects
from page_figures import trace

from twinverify.reports.page.importance import LEAST_TRIALS, good_share, importance, importances


def test_what_decides_the_value_is_real_and_what_does_not_may_be_chance() -> None:
    found = {each.name: each for each in importances(study_with_effects(60), rounds=40)}
    assert found["strong"].is_real
    assert not found["nothing"].is_real
    assert found["strong"].share > 3 * found["nothing"].share
    assert sum(each.share for each in found.values()) == pytest.approx(1)
    assert found["strong"].interval.low <= found["strong"].share


def test_with_the_values_dealt_at_random_little_passes_for_real() -> None:
    real = 0
    for seed in range(4):
        study = study_with_effects(40, seed)
        values = [trial.value for trial in study.get_trials(deepcopy=False)]
        for trial, value in zip(study.get_trials(deepcopy=False), values[::-1], strict=True):
            trial.value = value
        real += sum(each.is_real for each in importances(study, rounds=20))
    assert real <= 3  # of 12; one in twenty is expected


def test_settings_that_few_trials_have_or_that_never_change_are_not_judged() -> None:
    study = study_with_effects(30)
    found = importances(study, rounds=5)
    assert {each.name for each in found} == {"strong", "nothing", "kind"}
    assert "fixed, rare" in importance(found, study).how


def test_too_few_trials_say_nothing() -> None:
    study = study_with_effects(LEAST_TRIALS - 1)
    assert importances(study) == []
    plot = importance([], study)
    assert plot.figure is None
    assert f"{LEAST_TRIALS - 1} ended with a value" in plot.why_not


def test_the_bars_are_the_shares_and_the_marks_what_chance_gives() -> None:
    study = study_with_effects(60)
    found = importances(study, rounds=20)
    figure = importance(found, study).figure
    share = {each.name: each.share for each in found}
    bars = {
        name: value
        for bar in (trace(figure, "more than chance"), trace(figure, "may be chance"))
        for name, value in zip(bar.y, bar.x, strict=True)
    }
    assert bars == share
    marks = trace(figure, "what chance gives")
    assert dict(zip(marks.y, marks.x, strict=True)) == {each.name: each.chance for each in found}


def test_the_same_trials_give_the_same_importances() -> None:
    assert importances(study_with_effects(20), rounds=5) == importances(study_with_effects(20), rounds=5)


@pytest.mark.parametrize(("trials", "share"), [(12, 1 / 3), (100, 0.25), (1000, 0.1)])
def test_of_few_trials_a_third_counts_as_good_of_many_a_tenth(trials: int, share: float) -> None:
    assert good_share(trials) == pytest.approx(share)
