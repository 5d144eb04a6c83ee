"""P3: folds that share no family, balanced pairs, a threshold that never sees its own fold."""

from itertools import pairwise

import numpy as np
import pytest
from evaluations import evaluation
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from twinverify.verification.folds import _deal, fold_accuracy


def twin_pairs(families: int, same_each: int = 6, twin_each: int = 4) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.repeat(np.arange(families), same_each), np.repeat(np.arange(families), twin_each)


def test_separable_scores_are_all_right_though_each_fold_has_its_own_extremes() -> None:
    same_family, twin_family = twin_pairs(20)
    rng = np.random.default_rng(0)
    found = fold_accuracy(rng.uniform(0.6, 1, 120), rng.uniform(-1, 0.4, 80), same_family, twin_family)
    assert found.accuracies.tolist() == [1.0] * 10
    assert (found.mean, found.sd, found.standard_error) == (1.0, 0.0, 0.0)
    assert ((found.thresholds > 0.4) & (found.thresholds < 0.6)).all()
    assert found.pairs.tolist() == [2 * 8] * 10  # two families a fold, four twin pairs each, and as many of the other


def test_scores_that_say_nothing_are_right_half_the_time() -> None:
    same_family, twin_family = twin_pairs(200)
    rng = np.random.default_rng(0)
    found = fold_accuracy(rng.normal(size=1200), rng.normal(size=800), same_family, twin_family)
    assert found.mean == pytest.approx(0.5, abs=0.04)
    assert found.standard_error == pytest.approx(found.accuracies.std(ddof=1) / np.sqrt(10))


def test_the_threshold_of_a_fold_comes_from_the_others() -> None:
    # family 0's scores lie 10 higher: with its own threshold all would be right, with the others' half of its pairs
    same_family, twin_family = twin_pairs(10, 4, 4)
    same = 1.0 + 10 * (same_family == 0)
    twin = 0.0 + 10 * (twin_family == 0)
    found = fold_accuracy(same, twin, same_family, twin_family)
    assert sorted(found.accuracies) == [0.5] + [1.0] * 9
    assert ((found.thresholds > 0) & (found.thresholds <= 1)).all()


def brute_threshold(positive: list[float], negative: list[float]) -> set[float]:
    """Every threshold between neighbouring scores with the fewest errors."""
    scores = sorted({*positive, *negative})
    middles = [scores[0], *((a + b) / 2 for a, b in pairwise(scores)), scores[-1] + 1e-9]
    errors = [sum(p < t for p in positive) + sum(n >= t for n in negative) for t in middles]
    return {t for t, e in zip(middles, errors, strict=True) if e == min(errors)}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=8, max_size=8), st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_each_threshold_makes_the_fewest_errors_in_the_other_folds(same: list[int], twin: list[int]) -> None:
    family = np.arange(8)
    positive, negative = np.array(same, float), np.array(twin, float)
    found = fold_accuracy(positive, negative, family, family, folds=4)
    fold = _deal(family, family[:, None], 4, np.random.default_rng(0))
    for k, threshold in enumerate(found.thresholds):
        rest, own = fold != k, fold == k
        best = brute_threshold(positive[rest].tolist(), negative[rest].tolist())
        assert any(abs(threshold - other) < 1e-6 for other in best), (threshold, best)
        right = np.concatenate([positive[own] >= threshold, negative[own] < threshold])
        assert found.accuracies[k] == right.mean()


@settings(max_examples=60, deadline=None)
@given(st.integers(10, 60), st.integers(0, 20), st.integers(2, 10), st.integers(0, 10**6))
def test_no_family_is_in_two_folds_and_every_fold_has_twins(twins: int, singles: int, folds: int, seed: int) -> None:
    same_family, twin_family = np.arange(twins + singles), np.arange(twins)
    fold = _deal(same_family, twin_family[:, None], folds, np.random.default_rng(seed))
    assert fold.shape == (twins + singles,)  # one fold a family
    assert set(fold[:twins].tolist()) == set(range(folds))
    counts = np.bincount(fold, minlength=folds)
    assert counts.max() - counts.min() <= 1


def test_an_unrelated_pair_across_two_folds_is_in_none() -> None:
    same_family = np.repeat(np.arange(20), 3)
    both = np.array([(one, other) for one in range(20) for other in range(one)])
    fold = _deal(same_family, both, 5, np.random.default_rng(0))
    across = fold[both[:, 0]] != fold[both[:, 1]]
    assert 0 < across.sum() < len(both)
    # pairs within a fold score 0, those across 5: were one of them judged, it would be an error
    found = fold_accuracy(np.ones(60), np.where(across, 5.0, 0.0), same_family, both, folds=5)
    assert found.accuracies.tolist() == [1.0] * 5
    assert found.pairs.tolist() == [2 * 6] * 5  # four families a fold make six pairs


def test_the_same_seed_chooses_the_same_pairs_and_another_seed_others() -> None:
    made = evaluation(twins=20, images=4)
    arguments = (made.scores.same, made.scores.twin, made.scores.same_family, made.scores.twin_family)
    first, again, other = (fold_accuracy(*arguments, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.accuracies, again.accuracies)
    assert not np.array_equal(first.accuracies, other.accuracies)


@pytest.mark.parametrize(
    ("families", "folds", "message"),
    [
        (7, 10, "3 of 10 folds without pairs of both kinds: each needs a family with pairs of both kinds"),
        (7, 1, "folds 1: two at least"),
    ],
)
def test_too_few_families_or_folds_are_refused_with_what_would_do(families: int, folds: int, message: str) -> None:
    same_family, twin_family = twin_pairs(families)
    with pytest.raises(ValueError, match=message):
        fold_accuracy(np.ones(len(same_family)), np.zeros(len(twin_family)), same_family, twin_family, folds=folds)


def test_unrelated_pairs_need_two_families_a_fold() -> None:
    same_family = np.arange(10)
    pairs = np.array([(a, b) for a in range(10) for b in range(a)])
    with pytest.raises(ValueError, match="each needs two families with same-person pairs"):
        fold_accuracy(np.ones(10), np.zeros(len(pairs)), same_family, pairs)
    assert fold_accuracy(np.ones(10), np.zeros(len(pairs)), same_family, pairs, folds=5).mean == 1


@pytest.mark.parametrize(
    ("same", "twin", "message"),
    [
        ([1, np.nan], [0, 0], "same: 1 of 2 scores are NaN or infinite"),
        ([1, 1], [0, np.inf], "impostor: 1 of 2 scores are NaN or infinite"),
        ([1], [0, 0], "same: 1 scores and the families of 2 pairs"),
    ],
)
def test_bad_scores_are_refused_by_kind(same: list[float], twin: list[float], message: str) -> None:
    family = np.arange(2)
    with pytest.raises(ValueError, match=message):
        fold_accuracy(np.array(same), np.array(twin), family, family, folds=2)


@pytest.mark.parametrize(("same", "twin"), [(0, 2), (2, 0)])
def test_without_a_kind_of_pairs_there_are_no_folds(same: int, twin: int) -> None:
    with pytest.raises(ValueError, match="no pairs"):
        fold_accuracy(np.ones(same), np.ones(twin), np.arange(same), np.arange(twin), folds=2)
