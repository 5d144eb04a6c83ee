"""Unrelated pairs with their families, against a loop and against `pair_scores`."""

from itertools import combinations

import numpy as np
import pytest
from evaluations import evaluation

from twinverify.verification.cosines import RESOLUTION
from twinverify.verification.unrelated import unrelated_blocks


@pytest.mark.parametrize("block", [1, 7, 4096])
def test_each_unrelated_pair_comes_once_with_both_its_families(block: int) -> None:
    made = evaluation(twins=3, singles=2)
    content = np.arange(len(made.person)) // 2  # neighbours are byte-identical: no evidence
    shuffled = np.random.default_rng(0).permutation(len(content))
    embeddings, family, content = made.embeddings[shuffled], made.family[shuffled], content[shuffled]
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = sorted(
        (*sorted((family[i], family[j])), unit[i] @ unit[j])
        for i, j in combinations(range(len(family)), 2)
        if family[i] != family[j] and content[i] != content[j]
    )
    blocks = list(unrelated_blocks(embeddings, family, content, block))
    found = sorted(
        (*sorted((first, second)), score)
        for part in blocks
        for score, first, second in zip(part.scores, part.first, part.second, strict=True)
    )
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    np.testing.assert_allclose([one[2] for one in found], [one[2] for one in expected], atol=RESOLUTION)


def test_they_are_the_general_scores_of_the_same_evaluation() -> None:
    made = evaluation()
    again = made.unrelated.scores
    np.testing.assert_array_equal(again, made.scores.general)
