"""Ties, differences and chances of being the best, on constructed estimates with known answers."""

from dataclasses import replace

import numpy as np
import pytest
from evaluations import evaluation
from hypothesis import given, settings
from hypothesis import strategies as st

from twinverify.errors import UserError
from twinverify.verification.intervals import Estimate, estimates
from twinverify.verification.resampling import Resampling
from twinverify.verification.ties import chances_of_best, difference, ties


def estimate(value: float, drawn: list[float] | np.ndarray, families: float = 10, resampling: str = "same") -> Estimate:
    return Estimate(value, None, np.asarray(drawn, float), families, resampling)


def noise(seed: int, sd: float = 0.02, rounds: int = 400) -> np.ndarray:
    return sd * np.random.default_rng(seed).normal(size=rounds)


def test_identical_evaluations_tie_and_share_the_chance() -> None:
    one = estimate(0.2, 0.2 + noise(0))
    assert ties("twin_eer", [one, one, one]) == [True] * 3
    np.testing.assert_allclose(chances_of_best("twin_eer", [one, one, one]), 1 / 3)
    found = difference("twin_eer", one, one)
    assert (found.value, found.interval, found.chance) == (0, None, 0.5)


def test_a_clearly_better_one_has_no_ties() -> None:
    trials = [estimate(mean, mean + noise(seed)) for seed, mean in enumerate((0.4, 0.1, 0.3))]
    assert ties("twin_eer", trials) == [False, True, False]
    np.testing.assert_array_equal(chances_of_best("twin_eer", trials), [0, 1, 0])


def test_what_is_hard_for_all_drops_out_of_the_difference() -> None:
    # both swing by 5 points with the families drawn, the second always 1 point worse but for a little noise
    shared = noise(0, sd=0.05)
    first, second = estimate(0.2, 0.2 + shared), estimate(0.21, 0.21 + shared + noise(1, sd=0.001))
    alone = estimate(0.21, 0.21 + noise(2, sd=0.05))
    assert ties("twin_eer", [first, second]) == [True, False]
    assert ties("twin_eer", [first, alone]) == [True, True]
    found = difference("twin_eer", second, first)
    assert found.value == pytest.approx(0.01)
    assert 0 < found.interval.low < 0.01 < found.interval.high < 0.02
    assert found.chance == 0  # the first argument is the worse one, in every drawing


@pytest.mark.parametrize(("metric", "best"), [("twin_eer", 0), ("val/twin_auc", 2), ("twin_tar_at_far_0.1", 2)])
def test_lower_errors_and_higher_shares_are_better(metric: str, best: int) -> None:
    trials = [estimate(mean, mean + noise(seed, sd=0.001)) for seed, mean in enumerate((0.1, 0.2, 0.3))]
    expected = [number == best for number in range(3)]
    assert ties(metric, trials) == expected
    assert chances_of_best(metric, trials).tolist() == expected


def test_the_chance_is_the_share_of_drawings_won_and_equal_ones_share_a_win() -> None:
    first = estimate(0.1, [0.1, 0.1, 0.3, 0.2])
    second = estimate(0.2, [0.2, 0.2, 0.1, 0.2])
    np.testing.assert_allclose(chances_of_best("twin_eer", [first, second]), [2.5 / 4, 1.5 / 4])
    assert difference("twin_eer", first, second).chance == 2.5 / 4


def test_differences_in_the_last_digits_are_none() -> None:
    first, second = estimate(0.1, np.full(9, 0.1)), estimate(0.1 + 1e-8, np.full(9, 0.1 + 1e-8))
    np.testing.assert_allclose(chances_of_best("twin_eer", [first, second]), [0.5, 0.5])
    assert ties("twin_eer", [first, second]) == [True, True]


def test_a_difference_that_is_the_same_in_all_drawings_is_not_taken_for_certain() -> None:
    first, second = estimate(0.0, np.zeros(9)), estimate(0.1, np.full(9, 0.1))
    assert difference("twin_eer", first, second).interval is None
    assert ties("twin_eer", [first, second]) == [True, True]


def test_a_drawing_in_which_the_metric_does_not_exist_counts_for_nobody() -> None:
    first = estimate(0.1, [0.1, np.nan, 0.3])
    second = estimate(0.2, [0.2, np.nan, 0.1])
    np.testing.assert_allclose(chances_of_best("twin_eer", [first, second]), [0.5, 0.5])
    assert np.isfinite(difference("twin_eer", first, second).interval).all()


def test_fewer_families_make_a_wider_difference() -> None:
    widths = []
    for families in (4, 40):
        pair = [estimate(0.2, 0.2 + noise(0), families), estimate(0.25, 0.25 + noise(1), families)]
        interval = difference("twin_eer", *pair).interval
        widths.append(interval.high - interval.low)
    assert widths[0] > 1.5 * widths[1]


def test_where_no_interval_is_estimable_all_are_ties() -> None:
    trials = [estimate(mean, mean + noise(seed), families=2) for seed, mean in enumerate((0.1, 0.4))]
    assert difference("twin_eer", *trials).interval is None
    assert ties("twin_eer", trials) == [True, True]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.integers(0, 99))
def test_chances_add_up_to_one_and_the_best_ties_with_itself(means: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials = [estimate(mean, mean + 0.1 * rng.normal(size=30)) for mean in means]
    chances = chances_of_best("twin_eer", trials)
    assert chances.sum() == pytest.approx(1)
    assert (chances >= 0).all()
    assert ties("twin_eer", trials)[int(np.argmin(means))]


def test_evaluations_in_other_drawings_are_not_compared() -> None:
    pair = [estimate(0.1, noise(0), resampling="one"), estimate(0.1, noise(0), resampling="other")]
    for compare in (ties, chances_of_best):
        with pytest.raises(ValueError, match="cannot be compared pair by pair"):
            compare("twin_eer", pair)


def test_a_metric_that_ranks_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="not a metric that ranks"):
        ties("val/twin_far_0.1", [estimate(0.1, noise(0))])


def test_no_evaluations_give_no_answers() -> None:
    assert ties("twin_eer", []) == []
    assert chances_of_best("twin_eer", []).shape == (0,)


def test_of_real_scores_the_noisier_model_is_worse_and_the_same_model_a_tie() -> None:
    good, same, bad = (evaluation(twins=20, singles=0, images=5, noise=noise).kept for noise in (0.8, 0.8, 2.5))
    nearly = replace(same, twin=same.twin + np.float32(1e-6))
    resampling = Resampling.draw(good, 300)
    trials = [estimates(kept, resampling, ["twin_eer"])["twin_eer"] for kept in (bad, good, nearly)]
    assert ties("twin_eer", trials) == [False, True, True]
    assert chances_of_best("twin_eer", trials)[0] < 0.01
