"""ROC metrics against a brute-force implementation, and by property."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from twinverify.verification.metrics import auc, eer, roc, tar_at_far


def brute_rates(positive, negative):
    """FPR, TPR at every threshold, one comparison at a time in words: accept where score >= threshold."""
    thresholds = [np.inf, *sorted({*positive.tolist(), *negative.tolist()}, reverse=True)]
    fpr = [sum(s >= t for s in negative) / len(negative) for t in thresholds]
    tpr = [sum(s >= t for s in positive) / len(positive) for t in thresholds]
    return fpr, tpr


def brute_eer(positive, negative):
    """Walk along the curve; on the first segment that reaches FNR <= FPR solve for the crossing."""
    fpr, tpr = brute_rates(positive, negative)
    for i in range(1, len(fpr)):
        if 1 - tpr[i] <= fpr[i]:
            rise_f, rise_t = fpr[i] - fpr[i - 1], tpr[i] - tpr[i - 1]
            return fpr[i - 1] + rise_f * (1 - tpr[i - 1] - fpr[i - 1]) / (rise_f + rise_t)
    raise AssertionError("the curve ends at (1, 1)")


def brute_auc(positive, negative):
    wins = [(p > n) + 0.5 * (p == n) for p in positive for n in negative]
    return sum(wins) / len(wins)


scores = arrays(np.float32, st.integers(1, 30), elements=st.integers(-10, 10).map(lambda k: k / 10))


@settings(max_examples=80, deadline=None)
@given(scores, scores)
def test_eer_auc_and_tar_equal_the_brute_force_ones(positive, negative):
    curve = roc(positive, negative)
    assert eer(curve) == pytest.approx(brute_eer(positive, negative), abs=1e-12)
    assert auc(curve) == pytest.approx(brute_auc(positive, negative), abs=1e-12)
    fpr, tpr = brute_rates(positive, negative)
    for target in (0.3, 0.5, 0.9):
        point = tar_at_far(curve, target)
        if target * len(negative) < 10:
            assert point is None
        else:
            assert point.tar == pytest.approx(max(t for f, t in zip(fpr, tpr, strict=True) if f <= target), abs=1e-12)
            assert point.far <= target
            assert np.mean(positive >= point.threshold) == pytest.approx(point.tar, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(scores, scores, st.floats(0.1, 5), st.floats(-3, 3))
def test_a_monotone_transform_changes_neither_eer_nor_auc(positive, negative, scale, shift):
    before = roc(positive, negative)
    after = roc(np.exp(scale * positive.astype(float) + shift), np.exp(scale * negative.astype(float) + shift))
    assert eer(after) == pytest.approx(eer(before), abs=1e-12)
    assert auc(after) == pytest.approx(auc(before), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(scores, scores)
def test_swapping_the_classes_mirrors_eer_and_auc(positive, negative):
    forward, swapped, mirrored = (
        roc(positive, negative),
        roc(negative, positive),
        roc(-negative, -positive),
    )
    assert auc(swapped) == pytest.approx(1 - auc(forward), abs=1e-12)
    assert eer(swapped) == pytest.approx(1 - eer(forward), abs=1e-12)
    assert eer(mirrored) == pytest.approx(eer(forward), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(scores, scores, st.integers(2, 5))
def test_counts_are_the_same_as_repeated_scores(positive, negative, times):
    counted = roc(positive, negative, negative_counts=np.full(len(negative), times))
    repeated = roc(positive, np.repeat(negative, times))
    assert counted.negatives == repeated.negatives == times * len(negative)
    assert eer(counted) == pytest.approx(eer(repeated), abs=1e-12)
    assert auc(counted) == pytest.approx(auc(repeated), abs=1e-12)


@pytest.mark.parametrize(
    ("positive", "negative", "expected_eer", "expected_auc"),
    [
        ([0.9, 0.8], [0.1, 0.2, 0.3], 0.0, 1.0),
        ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5, 0.5),
        ([0.1, 0.2], [0.8, 0.9], 1.0, 0.0),
        ([0.1, 0.9], [0.1, 0.9], 0.5, 0.5),
        ([1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], 0.25, 0.75),
    ],
    ids=["perfect", "constant", "reversed", "alike", "one of four wrong"],
)
def test_known_scores_give_known_rates(positive, negative, expected_eer, expected_auc):
    curve = roc(np.array(positive), np.array(negative))
    assert eer(curve) == pytest.approx(expected_eer)
    assert auc(curve) == pytest.approx(expected_auc)


def test_tar_at_far_is_never_the_nearest_far():
    # 10 % of the negatives tie just above the target: the nearest FAR to 0.09 is 0.10, the allowed one 0.
    negative = np.r_[np.full(20, 0.5), np.zeros(180)]
    point = tar_at_far(roc(np.array([0.9, 0.5, 0.4]), negative), 0.09)
    assert point is not None
    assert (point.tar, point.far) == (pytest.approx(1 / 3), 0.0)


@pytest.mark.parametrize(("negatives", "estimable"), [(99, False), (100, True), (999, True)])
def test_a_tar_decided_by_under_ten_false_accepts_is_not_estimable(negatives, estimable):
    curve = roc(np.array([1.0, 0.5]), np.linspace(0, 0.9, negatives))
    assert (tar_at_far(curve, 0.1) is not None) is estimable


@pytest.mark.parametrize(("positive", "negative"), [([], [0.1]), ([0.1], []), ([], [])])
def test_a_roc_of_one_kind_of_pairs_is_refused_by_name(positive, negative):
    with pytest.raises(ValueError, match=f"{len(positive)} positive, {len(negative)} negative"):
        roc(np.array(positive, float), np.array(negative, float))
