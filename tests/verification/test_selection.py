import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student

from twinverify.errors import UserError
from twinverify.verification.selection import complete, select

RATES = some.tuples(some.integers(2, 6), some.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=some.floats(0, 1, width=32))
)


def paired(differences: list[float], hard: list[float]) -> np.ndarray:
    """Two configurations: the first as hard as each seed is, the second less by the differences."""
    first = np.array(hard)
    return np.stack([first, first - np.array(differences)], axis=1)


def test_of_two_configurations_the_chance_is_that_of_the_paired_t_test():
    differences = [0.01, 0.05, 0.03, -0.01, 0.02]
    found = select("val/twin_eer", paired(differences, [0.3, 0.4, 0.2, 0.35, 0.25]), overlap=0.25)
    error = np.std(differences, ddof=1) * np.sqrt(1 / 5 + 0.25)
    expected = student.cdf(np.mean(differences) / error, df=4)
    assert found.best == 1
    assert found.chances[1] == pytest.approx(expected, abs=0.005)


def test_of_two_configurations_the_paired_interval_is_that_of_the_corrected_t_test():
    differences = [0.01, 0.05, 0.03, -0.01, 0.02]
    found = select("val/twin_eer", paired(differences, [0.3, 0.4, 0.2, 0.35, 0.25]), overlap=0.25)
    half = student.ppf(0.975, df=4) * np.std(differences, ddof=1) * np.sqrt(1 / 5 + 0.25)
    assert found.gain_intervals[0] is None
    assert found.gain_intervals[1] == pytest.approx((-0.02 - half, -0.02 + half))


def test_of_two_configurations_the_expected_loss_is_that_of_the_t_distribution():
    differences = np.array([0.01, 0.05, 0.03, -0.01, 0.02])
    found = select("val/twin_eer", paired(list(differences), [0.3] * 5), overlap=0.25)
    error = np.std(differences, ddof=1) * np.sqrt(1 / 5 + 0.25)
    z, freedom = differences.mean() / error, 4
    # E max(0, -D) of D = mean + error T: what is lost where the other one is the better.
    tail = student.pdf(z, freedom) * (freedom + z**2) / (freedom - 1) - z * student.sf(z, freedom)
    assert found.expected_loss == pytest.approx(error * tail, rel=0.03)


def test_what_is_hard_for_all_changes_no_difference():
    rng = np.random.default_rng(1)
    values = 0.3 + 0.02 * rng.standard_normal((5, 4))
    harder = values + np.array([0, 0.3, -0.2, 0.1, 0.25])[:, None]
    plain, hard = select("val/twin_eer", values, 0.2), select("val/twin_eer", harder, 0.2)
    assert hard.gain_intervals[2] == pytest.approx(plain.gain_intervals[2])
    assert hard.chances == pytest.approx(plain.chances)
    assert hard.expected_loss == pytest.approx(plain.expected_loss)


def test_a_higher_auc_is_the_better_one():
    values = np.array([[0.6, 0.8], [0.61, 0.79], [0.59, 0.81]])
    assert select("val/twin_auc", values, 0.1).best == 1
    assert select("val/twin_eer", values, 0.1).best == 0


def test_a_clear_winner_is_certain_and_costs_nothing():
    rng = np.random.default_rng(0)
    values = 0.4 + 0.001 * rng.standard_normal((5, 4))
    values[:, 2] -= 0.3
    found = select("val/twin_eer", values, 0.2)
    assert found.best == 2
    assert found.chances[2] > 0.999
    assert found.expected_loss == pytest.approx(0, abs=1e-6)


def test_equal_configurations_have_equal_chances():
    rng = np.random.default_rng(0)
    column = 0.3 + 0.02 * rng.standard_normal((4, 1))
    found = select("val/twin_eer", np.repeat(column, 3, axis=1), 0.2)
    assert found.chances == pytest.approx([1 / 3] * 3)
    assert found.gain_intervals[1] is None


def test_with_two_seeds_of_two_configurations_no_loss_can_be_expected():
    found = select("val/twin_eer", np.array([[0.3, 0.31], [0.4, 0.36]]), 0.2)
    assert found.expected_loss is None


def test_one_configuration_is_the_best():
    found = select("val/twin_eer", np.array([[0.3], [0.4]]), 0.2)
    assert (found.best, found.chances.tolist(), found.expected_loss) == (0, [1.0], 0.0)


def test_overlapping_splits_widen_the_intervals():
    rng = np.random.default_rng(0)
    values = 0.3 + 0.02 * rng.standard_normal((5, 3))
    apart, overlapping = select("val/twin_eer", values, 0.0), select("val/twin_eer", values, 0.25)
    widths = [found.gain_intervals[1].high - found.gain_intervals[1].low for found in (apart, overlapping)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 5 + 0.25) / (1 / 5)))


def test_paired_intervals_cover_the_truth_where_nothing_overlaps():
    rng = np.random.default_rng(0)
    truth = np.array([0.30, 0.28, 0.31])
    covered = 0
    for _ in range(300):
        values = truth + 0.05 * rng.standard_normal((5, 1)) + 0.02 * rng.standard_normal((5, 3))
        interval = select("val/twin_eer", values, 0.0).gain_intervals[1]
        covered += interval.low <= truth[1] - truth[0] <= interval.high
    assert 0.92 <= covered / 300 <= 0.98


@settings(max_examples=25, deadline=None)
@given(RATES, some.floats(0, 1))
def test_chances_add_up_and_nothing_leaves_its_range(values: np.ndarray, overlap: float):
    found = select("val/twin_eer", values, overlap)
    assert found.chances.sum() == pytest.approx(1)
    assert found.means[found.best] == pytest.approx(found.means.min(), abs=1e-8)
    assert found.expected_loss is None or found.expected_loss >= 0
    for mean, interval in zip(found.means, found.intervals, strict=True):
        assert interval is None or 0 <= interval.low <= mean + 1e-12 <= interval.high + 2e-12 <= 1 + 2e-12


@settings(max_examples=25, deadline=None)
@given(RATES)
def test_the_order_of_the_seeds_changes_nothing(values: np.ndarray):
    one, other = select("val/twin_eer", values, 0.2), select("val/twin_eer", values[::-1], 0.2)
    assert one.best == other.best
    assert one.gains == pytest.approx(other.gains, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "overlap", "told"),
    [
        (np.array([[0.3, 0.2]]), 0.2, "two seeds at least"),
        (np.array([0.3, 0.2]), 0.2, "two seeds at least"),
        (np.array([[0.3, np.nan], [0.1, 0.2]]), 0.2, "1 of 4 are NaN"),
        (np.array([[0.3, 0.2], [0.1, 0.2]]), -0.1, "overlap -0.1"),
    ],
)
def test_what_cannot_be_judged_is_refused(values: np.ndarray, overlap: float, told: str):
    with pytest.raises(ValueError, match=told):
        select("val/twin_eer", values, overlap)


def test_a_metric_that_ranks_nothing_is_refused():
    with pytest.raises(UserError, match="not a metric that ranks"):
        select("val/twin_far_0.1", np.array([[0.3, 0.2], [0.1, 0.2]]), 0.2)


def test_only_configurations_with_a_value_for_every_seed_are_paired():
    assert complete([[0.1, None, 0.3], [0.1, 0.2, 0.3]]) == [0, 2]
