"""Pair scores against a loop over all pairs; rounding, byte-identical images, memory."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinverify.verification import pairs
from twinverify.verification.metrics import auc, eer, roc
from twinverify.verification.pairs import RESOLUTION, pair_scores
from twinverify.verification.protocols import verification_metrics


def people(images_each=(3, 1, 2, 4, 2), twins=((0, 1), (2, 3)), width=8, seed=0):
    """Some people with shuffled images; person p and p + 1 of a pair are one family."""
    rng = np.random.default_rng(seed)
    person = rng.permutation(np.repeat(np.arange(len(images_each)), images_each))
    family_of = np.arange(len(images_each))
    for a, b in twins:
        family_of[b] = family_of[a]
    return {
        "embeddings": rng.normal(size=(len(person), width)).astype(np.float32),
        "person": person,
        "family": family_of[person],
        "twin_pairs": np.array(twins, np.int64).reshape(-1, 2),
        "content": np.arange(len(person)),
    }


def loop_scores(embeddings, person, family, twin_pairs, content):
    """The definition, one pair at a time, in float64."""
    unit = embeddings.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    twins = {frozenset(pair) for pair in twin_pairs.tolist()}
    found = {"same": [], "twin": [], "general": []}
    for i, j in combinations(range(len(person)), 2):
        if content[i] == content[j]:
            continue
        if person[i] == person[j]:
            found["same"].append(unit[i] @ unit[j])
        if frozenset((person[i], person[j])) in twins:
            found["twin"].append(unit[i] @ unit[j])
        if family[i] != family[j]:
            found["general"].append(unit[i] @ unit[j])
    return {kind: np.sort(scores) for kind, scores in found.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 5), min_size=4, max_size=9),
    st.sampled_from([(), ((0, 1),), ((0, 1), (1, 2), (0, 2))]),
    st.integers(1, 9),
    st.integers(0, 100),
    st.booleans(),
)
def test_scores_equal_a_loop_over_all_pairs(images_each, twins, block, seed, duplicates):
    data = people(tuple(images_each), twins, seed=seed)
    if twins == ((0, 1), (1, 2), (0, 2)):
        data["family"] = np.where(np.isin(data["person"], (0, 1, 2)), 0, data["family"])
    if duplicates:
        data["content"] = data["content"] // 2
    found, expected = pair_scores(**data, block=block), loop_scores(**data)
    for kind, scores in expected.items():
        np.testing.assert_allclose(np.sort(getattr(found, kind)), scores, atol=RESOLUTION, err_msg=kind)


def test_each_pair_knows_its_family():
    data = people()
    scores = pair_scores(**data)
    # people 0 and 1 (3 + 1 images) are family 0, 2 and 3 (2 + 4) family 2, person 4 (2) is alone
    assert np.bincount(scores.same_family, minlength=5).tolist() == [3, 0, 1 + 6, 0, 1]
    assert np.bincount(scores.twin_family, minlength=5).tolist() == [3, 0, 8, 0, 0]


def test_the_histogram_gives_the_same_roc_as_the_exact_scores(monkeypatch):
    data = people(tuple([4] * 40), tuple((2 * k, 2 * k + 1) for k in range(20)), width=4)
    exact = pair_scores(**data, block=33)
    monkeypatch.setattr(pairs, "EXACT_GENERAL", 0)
    binned = pair_scores(**data, block=50)
    assert exact.general_counts is None
    assert binned.general_counts is not None
    assert binned.general_counts.sum() == len(exact.general)
    first, second = (roc(s.same, s.general, negative_counts=s.general_counts) for s in (exact, binned))
    assert eer(second) == pytest.approx(eer(first), abs=1e-4)
    assert auc(second) == pytest.approx(auc(first), abs=1e-6)
    np.testing.assert_allclose(
        np.repeat(binned.general, binned.general_counts), np.sort(exact.general), atol=RESOLUTION
    )


@pytest.mark.parametrize("exact", [True, False])
def test_a_collapsed_model_scores_at_chance_in_spite_of_rounding(monkeypatch, exact):
    monkeypatch.setattr(pairs, "EXACT_GENERAL", 10**9 if exact else 0)
    data = people(tuple([4] * 12), tuple((2 * k, 2 * k + 1) for k in range(6)), width=96)
    data["embeddings"] = np.tile(data["embeddings"][:1], (48, 1)) * np.linspace(0.1, 3, 48, dtype=np.float32)[:, None]
    scores = pair_scores(**data, block=7)
    for negative, counts in ((scores.twin, None), (scores.general, scores.general_counts)):
        assert eer(roc(scores.same, negative, negative_counts=counts)) == 0.5


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "1 of 12 are not finite .first: image 5"), (0.0, "1 of 12 are zero .first: image 5")],
)
def test_an_embedding_without_a_direction_is_refused_by_number(value, message):
    data = people()
    data["embeddings"][5] = value
    with pytest.raises(ValueError, match=message):
        pair_scores(**data)


def test_memory_is_the_embeddings_and_one_block():
    # 6,000 images: all scores at once would take 144 MB, their masks as much again.
    data = people(tuple([3] * 2000), tuple((2 * k, 2 * k + 1) for k in range(1000)), width=16)
    tracemalloc.start()
    scores = pair_scores(**data, block=1024)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert scores.general_counts is not None
    assert scores.general_counts.sum() == 6000 * 5999 // 2 - 1000 * 15
    assert peak < 60e6, f"{peak / 1e6:.0f} MB"


@pytest.mark.parametrize("images", [4_000, 12_000])
def test_scores_and_metrics_need_the_embeddings_and_one_block_of_the_matrix(images):
    person = np.random.default_rng(0).permutation(np.arange(images) % (images // 5))
    twin_pairs = np.arange(images // 5).reshape(-1, 2)

    def embeddings():
        return np.random.default_rng(1).standard_normal((images, 384), np.float32)

    tracemalloc.start()
    scores = pair_scores(embeddings(), person, person // 2, twin_pairs, np.arange(images))
    _, scoring = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    metrics = verification_metrics(scores)
    _, judging = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(metrics) == 12
    allowed = images * 384 * 4 + 4096 * 4096 * 4
    assert max(scoring, judging) < allowed, f"{scoring / 1e6:.0f}, {judging / 1e6:.0f} of {allowed / 1e6:.0f} MB"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**20), st.sampled_from([1e-18, 1e-3, 1.0, 1e18]))
def test_the_length_of_an_embedding_changes_no_score(seed, length):
    data = people(width=16, seed=seed % 1000)
    other = data | {"embeddings": data["embeddings"] * np.float32(length)}
    for kind in ("same", "twin", "general"):
        first, second = (np.sort(getattr(pair_scores(**d, block=3), kind)) for d in (data, other))
        np.testing.assert_allclose(first, second, atol=RESOLUTION)


def test_the_embeddings_given_are_left_as_they_are():
    data = people()
    before = data["embeddings"].copy()
    pair_scores(**data, block=3)
    np.testing.assert_array_equal(data["embeddings"], before)
