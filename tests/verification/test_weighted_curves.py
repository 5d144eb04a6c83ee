"""All drawings at once, against scikit-learn's `roc_curve` with sample weights, one drawing after the other."""

from dataclasses import replace

import numpy as np
import pytest
from evaluations import Evaluation, evaluation
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve

from twinverify.verification import twin_curves
from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.resampling import Resampling
from twinverify.verification.twin_curves import TwinCurves

Floats = NDArray[np.float64]


def slow_curve(positive: Floats, negative: Floats, weights: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """FPR and TPR of one drawing, each pair with its own weight."""
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    fpr, tpr, _ = roc_curve(
        labels, np.concatenate([positive, negative]), sample_weight=np.concatenate(weights), drop_intermediate=False
    )
    return fpr, tpr


def slow_metrics(positive: Floats, negative: Floats, weights: tuple[Floats, Floats], far: float) -> list[float]:
    """EER on the segment that crosses FNR = FPR, AUC, TAR: each by its definition, from scikit-learn's curve."""
    fpr, tpr = slow_curve(positive, negative, weights)
    k = next(k for k in range(len(fpr)) if 1 - tpr[k] <= fpr[k])
    rise_f, rise_t = fpr[k] - fpr[k - 1], tpr[k] - tpr[k - 1]
    eer = fpr[k - 1] + rise_f * (1 - tpr[k - 1] - fpr[k - 1]) / (rise_f + rise_t)
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    auc = roc_auc_score(labels, np.concatenate([positive, negative]), sample_weight=np.concatenate(weights))
    return [eer, auc, max(t for f, t in zip(fpr, tpr, strict=True) if f <= far)]


def slow_twin(kept: FamilyScores, weights: Floats, far: float) -> Floats:
    return np.array(
        [slow_metrics(kept.same, kept.twin, (row[kept.same_family], row[kept.twin_family]), far) for row in weights]
    )


def slow_general(made: Evaluation, weights: Floats, far: float) -> Floats:
    block = made.unrelated
    same, family = made.scores.same, made.scores.same_family
    return np.array(
        [slow_metrics(same, block.scores, (row[family], row[block.first] * row[block.second]), far) for row in weights]
    )


def fast(curves: TwinCurves | GeneralCurves, far: float) -> Floats:
    return np.stack([curves.eer(), curves.auc(), curves.tar(far)], axis=1)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("places", [0, 20], ids=["distinct scores", "many equal scores"])
def test_twin_figures_of_every_drawing_equal_scikit_learns(noise: float, places: int) -> None:
    made = evaluation(noise=noise).kept
    kept = replace(made, same=np.round(made.same * places), twin=np.round(made.twin * places)) if places else made
    resampling = Resampling.draw(kept, rounds=40)
    found = fast(TwinCurves(kept, resampling.weights), 0.1)
    np.testing.assert_allclose(found, slow_twin(kept, resampling.weights, 0.1), atol=1e-6)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_general_figures_of_every_drawing_are_scikit_learns_but_for_the_steps_between_thresholds(noise: float) -> None:
    made = evaluation(noise=noise)
    resampling = Resampling.draw(made.kept, rounds=40)
    curves = GeneralCurves(made.kept, resampling)
    found, expected = fast(curves, 0.1), slow_general(made, resampling.weights, 0.1)
    # The true EER and the found one lie in the same step of the curve, so its smaller side bounds the error.
    fpr, tpr = curves._fpr, curves._tpr
    crossing = (1 - tpr - fpr > 0).argmax(axis=1)
    steps = [np.abs(np.take_along_axis(np.diff(rate, axis=1), crossing[:, None] - 1, axis=1)) for rate in (fpr, tpr)]
    assert (np.abs(found[:, 0] - expected[:, 0]) <= np.minimum(*steps)[:, 0] + 1e-6).all()
    np.testing.assert_allclose(found[:, 1], expected[:, 1], atol=2e-3)
    np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=0.04)  # a few of 100 same-person pairs
    np.testing.assert_allclose(found[0, [0, 2]], expected[0, [0, 2]], atol=1e-6)  # the families as they are: exact


@pytest.mark.parametrize("places", [2, 20], ids=["five scores", "41 scores"])
def test_equal_scores_are_accepted_together_in_the_general_protocol_too(places: int) -> None:
    made = evaluation(twins=20, images=4)
    rounded = replace(
        made.scores, **{kind: np.round(getattr(made.scores, kind) * places) for kind in ("same", "twin", "general")}
    )
    unrelated = made.unrelated._replace(scores=np.round(made.unrelated.scores * places))
    kept = by_family(rounded, [unrelated], made.names)
    found = GeneralCurves(kept, Resampling.draw(kept, rounds=2))
    expected = verification_metrics(rounded)
    assert found.eer()[0] == pytest.approx(expected["general_eer"], abs=1e-6)
    assert found.auc()[0] == pytest.approx(expected["general_auc"], abs=1e-6)
    for far in (0.01, 0.001):
        assert found.tar(far)[0] == pytest.approx(expected[f"general_tar_at_far_{far}"], abs=1e-6)


def test_the_thresholds_are_as_good_for_other_drawings_as_the_bound_says_on_a_set_of_real_size() -> None:
    made = evaluation(twins=20, singles=4, images=8)
    resampling = Resampling.draw(made.kept, rounds=30)
    found = fast(GeneralCurves(made.kept, resampling), 0.01)
    error = np.abs(found - slow_general(made, resampling.weights, 0.01)).max(axis=0)
    assert (error < [2e-3, 2e-4, 1e-2]).all(), error  # the drawings' own sds are 0.018, 0.013 and 0.046


def test_above_the_limit_neighbouring_scores_count_as_equal_and_little_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = evaluation(twins=20, images=6).kept
    weights = Resampling.draw(kept, rounds=20).weights
    exact = fast(TwinCurves(kept, weights), 0.1)
    monkeypatch.setattr(twin_curves, "EXACT_SCORES", 256)
    coarse = fast(TwinCurves(kept, weights), 0.1)
    assert not np.array_equal(coarse, exact)
    np.testing.assert_allclose(coarse[:, 0], exact[:, 0], atol=2 * 2 / 256)
    np.testing.assert_allclose(coarse[:, 1], exact[:, 1], atol=1e-3)


def test_float32_sums_are_left_where_they_would_round(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = evaluation().kept
    weights = Resampling.draw(kept, rounds=20).weights
    single = fast(TwinCurves(kept, weights), 0.1)
    monkeypatch.setattr(twin_curves, "_EXACT_FLOAT32", 0)
    curves = TwinCurves(kept, weights)
    assert curves._below_same.dtype == np.float64
    np.testing.assert_allclose(fast(curves, 0.1), single, atol=1e-6)


def test_the_share_of_twins_taken_for_one_person_is_counted_at_the_unrelated_peoples_threshold() -> None:
    made = evaluation(twins=12)
    curves = GeneralCurves(made.kept, Resampling.draw(made.kept, rounds=2))
    threshold = np.sort(made.scores.general)[::-1][int(0.1 * len(made.scores.general))]
    assert curves.twin_far(0.1)[0] == pytest.approx(np.mean(made.scores.twin > threshold), abs=1e-6)


def permuted(made: Evaluation, order: NDArray[np.int64]) -> FamilyScores:
    """The same evaluation with its families numbered otherwise."""
    scores = replace(
        made.scores, same_family=order[made.scores.same_family], twin_family=order[made.scores.twin_family]
    )
    block = made.unrelated
    blocks = [block._replace(first=order[block.first], second=order[block.second])]
    names = [made.names[old] for old in np.argsort(order)]
    return by_family(scores, blocks, names)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 4), st.integers(0, 1000), st.floats(0.1, 4.0), st.randoms())
def test_the_numbering_of_the_families_changes_nothing(
    twins: int, singles: int, seed: int, noise: float, random
) -> None:
    made = evaluation(twins, singles, images=2, seed=seed, noise=noise)
    order = np.array(random.sample(range(twins + singles), twins + singles))
    kept, other = made.kept, permuted(made, order)
    resampling = Resampling.draw(kept, rounds=5, seed=seed)
    weights = np.empty_like(resampling.weights)
    weights[:, order] = resampling.weights
    renumbered = replace(resampling, weights=weights, key=other.key)
    for before, after in (
        (TwinCurves(kept, resampling.weights), TwinCurves(other, weights)),
        (GeneralCurves(kept, resampling), GeneralCurves(other, renumbered)),
    ):
        np.testing.assert_allclose(fast(after, 0.1), fast(before, 0.1), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 8), st.integers(0, 1000), st.floats(0.05, 5.0), st.floats(0.2, 4), st.floats(-2, 2))
def test_rates_are_rates_and_a_monotone_transform_of_the_scores_changes_none(
    twins: int, seed: int, noise: float, scale: float, shift: float
) -> None:
    made = evaluation(twins, images=2, seed=seed, noise=noise)

    def bent(scores: Floats) -> NDArray[np.float32]:
        return np.exp(scale * scores.astype(np.float64) + shift).astype(np.float32)

    kinds = {kind: bent(getattr(made.scores, kind)) for kind in ("same", "twin", "general")}
    blocks = [made.unrelated._replace(scores=bent(made.unrelated.scores))]
    kept, other = made.kept, by_family(replace(made.scores, **kinds), blocks, made.names)
    resampling = Resampling.draw(kept, rounds=20, seed=seed)
    before, after = (fast(TwinCurves(one, resampling.weights), 0.2) for one in (kept, other))
    assert ((before >= 0) & (before <= 1 + 1e-12)).all()
    np.testing.assert_allclose(after, before, atol=1e-4)  # float32 makes some scores equal that were not
    before, after = (fast(GeneralCurves(one, resampling), 0.2)[0, :2] for one in (kept, other))
    assert ((before >= 0) & (before <= 1 + 1e-6)).all()
    np.testing.assert_allclose(after, before, atol=1e-2)  # the families as they are: other thresholds, the same EER
