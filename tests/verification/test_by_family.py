"""What an evaluation keeps: every pair with its family, the unrelated ones counted between thresholds."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from evaluations import evaluation

from twinverify.verification import pairs
from twinverify.verification.by_family import MOST_FAMILIES, by_family
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.pairs import pair_scores
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.resampling import Resampling


def test_unrelated_pairs_are_counted_by_the_families_of_both_and_by_threshold() -> None:
    made = evaluation(twins=4, singles=2)
    kept = made.kept
    assert kept.general.shape == (6 * 7 // 2, len(kept.thresholds))
    ends = np.append(kept.thresholds, np.inf)
    first, second = np.triu_indices(6)
    block = made.unrelated
    for row, (one, other) in enumerate(zip(first, second, strict=True)):
        of = (np.minimum(block.first, block.second) == one) & (np.maximum(block.first, block.second) == other)
        expected = [int((of & (block.scores >= low) & (block.scores < high)).sum()) for low, high in pairwise(ends)]
        assert kept.general[row].tolist() == expected, (one, other)


def test_same_person_and_twin_scores_stay_as_they_are() -> None:
    made = evaluation()
    np.testing.assert_array_equal(made.kept.same, made.scores.same)
    np.testing.assert_array_equal(made.kept.twin, made.scores.twin)
    np.testing.assert_array_equal(made.kept.same_family, made.scores.same_family)
    np.testing.assert_array_equal(made.kept.twin_family, made.scores.twin_family)
    assert made.kept.same_pairs.sum() == len(made.scores.same)
    assert (made.kept.twin_pairs > 0).tolist() == [True] * 8 + [False] * 3
    assert made.kept.unrelated_pairs.sum() == 2 * len(made.scores.general)  # each pair is one of two families


@pytest.mark.parametrize("noise", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("exact", [True, False], ids=["scores", "histogram"])
def test_the_general_figures_of_the_kept_counts_are_those_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch, noise: float, exact: bool
) -> None:
    monkeypatch.setattr(pairs, "EXACT_GENERAL", 10**9 if exact else 0)
    made = evaluation(twins=30, images=4, noise=noise)
    metrics = verification_metrics(made.scores)
    curves = GeneralCurves(made.kept, Resampling.draw(made.kept, rounds=2))
    assert curves.eer()[0] == pytest.approx(metrics["general_eer"], abs=1e-6)
    assert curves.auc()[0] == pytest.approx(metrics["general_auc"], abs=2e-4)
    for far in (0.01, 0.001):
        assert curves.tar(far)[0] == pytest.approx(metrics[f"general_tar_at_far_{far}"], abs=1e-6), far


def test_very_many_families_are_drawn_in_groups_that_never_mix_twins_and_singles() -> None:
    made = evaluation(twins=90, singles=30, images=2)
    kept = made.kept
    assert len(kept.families) == len(set(kept.families.tolist())) == MOST_FAMILIES
    assert (kept.twin_pairs > 0).sum() == 48  # 90 of 120 families have twins, so have 48 of 64 groups
    assert kept.same_pairs.sum() == len(made.scores.same)
    assert kept.general.sum() == len(made.scores.general)
    diagonal = np.equal(*np.triu_indices(MOST_FAMILIES))
    assert kept.general[diagonal].sum() > 0  # unrelated people of one group are pairs too
    again = by_family(made.scores, [made.unrelated], made.names)
    assert again.key == kept.key


def test_few_singles_among_very_many_families_keep_a_group_each() -> None:
    made = evaluation(twins=100, singles=3, images=2)
    assert (made.kept.twin_pairs > 0).tolist() == [True] * (MOST_FAMILIES - 3) + [False] * 3


@pytest.mark.parametrize("kind", ["same", "twin", "general"])
def test_a_score_that_is_no_number_is_refused_by_kind_and_place(kind: str) -> None:
    made = evaluation(twins=3)
    scores = getattr(made.scores, kind).copy()
    scores[2] = np.nan
    with pytest.raises(ValueError, match=rf"{kind} scores: 1 of {len(scores)} are NaN or infinite .first: number 2"):
        by_family(replace(made.scores, **{kind: scores}), [made.unrelated], made.names)


def test_one_family_has_no_unrelated_pairs_and_nobody_breaks() -> None:
    made = evaluation(twins=1, singles=0)
    assert made.kept.general.shape == (1, 0)
    assert made.kept.families.tolist() == ["family 0"]


def test_a_set_without_same_person_pairs_is_kept_too() -> None:
    embeddings = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    people = np.arange(4)
    scores = pair_scores(embeddings, people, people, np.empty((0, 2), np.int64), people)
    kept = by_family(scores, [], list("abcd"))
    assert len(kept.same) == 0
    assert len(kept.thresholds) > 0
