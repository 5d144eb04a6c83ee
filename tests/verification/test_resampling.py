"""Drawings of families: with replacement, twins and singles apart, the same for the same seed."""

import numpy as np
from evaluations import evaluation

from twinverify.verification.resampling import Resampling


def test_each_drawing_has_as_many_families_of_each_kind_as_there_are() -> None:
    kept = evaluation(twins=5, singles=3).kept
    weights = Resampling.draw(kept, rounds=200).weights
    assert weights.shape == (201, 8)
    assert (weights[0] == 1).all()
    assert (weights[:, :5].sum(axis=1) == 5).all()
    assert (weights[:, 5:].sum(axis=1) == 3).all()
    assert set(np.unique(weights)) <= set(range(6))
    # with replacement: of n families (1 - 1/n)^n are in no drawing, 0.33 of 5
    assert abs((weights[1:, :5] == 0).mean() - 0.8**5) < 0.03


def test_the_same_seed_draws_the_same_for_every_evaluation_of_the_same_pairs() -> None:
    first, second = (evaluation(noise=noise).kept for noise in (0.5, 2.0))
    one, other = (Resampling.draw(kept, rounds=50, seed=3) for kept in (first, second))
    np.testing.assert_array_equal(one.weights, other.weights)
    assert one.name == other.name
    another = Resampling.draw(first, rounds=50, seed=4)
    assert another.name != one.name
    assert not np.array_equal(another.weights, one.weights)


def test_a_pair_of_families_counts_as_often_as_both_together() -> None:
    resampling = Resampling.draw(evaluation(twins=3, singles=1).kept, rounds=20)
    for weights, pairs in zip(resampling.weights, resampling.pair_weights, strict=True):
        expected = [
            weights[one] if one == other else weights[one] * weights[other]
            for one in range(4)
            for other in range(one, 4)
        ]
        assert pairs.tolist() == expected
