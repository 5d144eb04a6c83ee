"""P5: a threshold from unrelated people alone, against a count by hand."""

import numpy as np
import pytest
from evaluations import evaluation
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from twinverify.verification.metrics import roc, tar_at_far
from twinverify.verification.operating_point import twin_operating_estimates, twin_operating_point
from twinverify.verification.resampling import Resampling

few_values = st.integers(-20, 20).map(lambda k: k / 20)


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.float32, st.integers(1, 20), elements=few_values),
    arrays(np.float32, st.integers(1, 20), elements=few_values),
    arrays(np.float32, st.integers(40, 120), elements=few_values),
    st.sampled_from([0.1, 0.25, 0.5]),
)
def test_rates_and_threshold_equal_a_count_of_every_threshold(same, twin, unrelated, fmr) -> None:
    found = twin_operating_point(same, twin, unrelated, fmr)
    if fmr * len(unrelated) < 10:
        assert found is None
        return
    # every threshold that can matter: each unrelated score, and just above each
    values = sorted({*unrelated.tolist(), *(float(np.nextafter(u, np.float32(np.inf))) for u in unrelated)})
    allowed = [t for t in values if sum(u >= t for u in unrelated.tolist()) / len(unrelated) <= fmr]
    assert found.threshold == min(allowed)
    assert found.unrelated_fmr == pytest.approx(sum(u >= min(allowed) for u in unrelated.tolist()) / len(unrelated))
    assert found.unrelated_fmr <= fmr
    assert found.twin_fmr == pytest.approx(sum(t >= min(allowed) for t in twin.tolist()) / len(twin))
    assert found.fnmr == pytest.approx(sum(s < min(allowed) for s in same.tolist()) / len(same))


def test_the_fnmr_is_what_p4s_tar_leaves() -> None:
    made = evaluation(twins=30, images=5).scores
    for fmr in (0.1, 0.01, 0.001):
        point = tar_at_far(roc(made.same, made.general), fmr)
        found = twin_operating_point(made.same, made.twin, made.general, fmr)
        assert 1 - found.fnmr == pytest.approx(point.tar)
        assert found.threshold <= point.threshold


def test_the_threshold_is_set_without_a_look_at_twins_or_same_person_pairs() -> None:
    rng = np.random.default_rng(0)
    unrelated = rng.normal(size=1000)
    thresholds = {twin_operating_point(rng.normal(size=9), rng.normal(size=9), unrelated, 0.02).threshold for _ in "ab"}
    assert len(thresholds) == 1


def test_counts_are_the_same_as_repeated_scores() -> None:
    rng = np.random.default_rng(0)
    values, counts = np.unique(np.round(rng.normal(size=2000), 1), return_counts=True)
    same, twin = rng.normal(2, 1, 50), rng.normal(1, 1, 50)
    shuffled = rng.permutation(len(values))
    counted = twin_operating_point(same, twin, values[shuffled], 0.05, counts[shuffled])
    assert counted == twin_operating_point(same, twin, np.repeat(values, counts), 0.05)


@pytest.mark.parametrize(("pairs", "estimable"), [(999, False), (1000, True)])
def test_a_rate_decided_by_under_ten_pairs_is_not_estimable(pairs: int, estimable: bool) -> None:
    scores = np.linspace(0, 1, pairs)
    assert (twin_operating_point(np.ones(1), np.ones(1), scores, 0.01) is not None) is estimable


def test_equal_scores_are_all_refused_together() -> None:
    found = twin_operating_point(np.array([0.5, 0.7]), np.array([0.5]), np.full(100, 0.5), 0.1)
    assert (found.unrelated_fmr, found.twin_fmr, found.fnmr) == (0, 0, 0.5)


@pytest.mark.parametrize("types", [(np.float32, np.float64), (np.float64, np.float32)])
def test_scores_of_two_precisions_are_compared_exactly(types) -> None:
    # a same-person score equal to the unrelated one that is too many does not match, in whatever type it comes
    value, unrelated = np.array([0.25], types[0]), np.full(100, 0.25, types[1])
    assert twin_operating_point(value, value, unrelated, 0.1).fnmr == 1


@pytest.mark.parametrize(
    ("same", "twin", "fmr", "message"),
    [
        ([1.0], [1.0], 0.0, "fmr 0: a share is expected"),
        ([1.0], [1.0], 1.5, "fmr 1.5: a share is expected"),
        ([], [1.0], 0.1, "same: no pairs"),
        ([1.0], [], 0.1, "twin: no pairs"),
        ([1.0, np.nan], [1.0], 0.1, "same: 1 of 2 scores are NaN or infinite"),
    ],
)
def test_bad_input_is_refused_by_name(same: list[float], twin: list[float], fmr: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        twin_operating_point(np.array(same), np.array(twin), np.zeros(200), fmr)


def test_with_intervals_the_values_are_those_of_all_pairs() -> None:
    made = evaluation(twins=30, images=5)
    scores = made.scores
    for fmr in (0.1, 0.01, 0.001):
        exact = twin_operating_point(scores.same, scores.twin, scores.general, fmr)
        twin, fnmr = twin_operating_estimates(made.kept, Resampling.draw(made.kept, 200), fmr)
        assert twin.value == pytest.approx(exact.twin_fmr, abs=1e-6)
        assert fnmr.value == pytest.approx(exact.fnmr, abs=1e-6)
        for one in (twin, fnmr):
            assert 0 <= one.interval.low < one.value < one.interval.high <= 1


@pytest.mark.parametrize(("twins", "singles", "fmr"), [(0, 6, 0.1), (1, 0, 0.1), (4, 0, 0.001)])
def test_without_twins_unrelated_people_or_enough_pairs_nothing_is_estimable(twins, singles, fmr) -> None:
    kept = evaluation(twins, singles).kept
    assert twin_operating_estimates(kept, Resampling.draw(kept, 10), fmr) is None
