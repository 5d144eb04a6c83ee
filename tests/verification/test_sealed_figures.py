from dataclasses import replace

import numpy as np
import pytest
from evaluations import evaluation, scored

from twinverify.verification.by_family import by_family
from twinverify.verification.folds import fold_accuracy
from twinverify.verification.metrics import roc, tar_at_far
from twinverify.verification.operating_point import twin_operating_point
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.resampling import Resampling
from twinverify.verification.score_matrix import matrix_blocks, matrix_scores
from twinverify.verification.sealed_figures import accuracy, figures, gains, model_estimates

MANY = {"twins": 24, "singles": 4, "images": 4}


@pytest.fixture(scope="module")
def three():
    """Three models on the same faces, each noisier than the one before."""
    clean = evaluation(**MANY)
    rng = np.random.default_rng(1)
    noisier = [
        scored(
            (clean.embeddings + noise * rng.standard_normal(clean.embeddings.shape)).astype(np.float32),
            clean.person,
            clean.family,
            clean.twin_pairs,
        )
        for noise in (0.5, 1.0)
    ]
    return [clean, *noisier]


@pytest.fixture(scope="module")
def resampling(three):
    return Resampling.draw(three[0].kept, rounds=300)


@pytest.fixture(scope="module")
def estimated(three, resampling):
    return [model_estimates(each.kept, resampling) for each in three]


def test_each_protocol_gives_what_its_own_function_gives(three, estimated):
    scores, found = three[0].scores, estimated[0]
    for name, value in verification_metrics(scores).items():
        if name in found and name != "general_auc":  # by trapezoids between the kept thresholds
            assert found[name].value == pytest.approx(value, abs=1e-5), name
    assert found["general_auc"].value == pytest.approx(verification_metrics(scores)["general_auc"], abs=0.002)
    curve = roc(scores.same, scores.general)
    for far in (0.1, 0.01):
        assert found[f"general_tar_at_far_{far:g}"].value == pytest.approx(tar_at_far(curve, far).tar, abs=1e-5)
    point = twin_operating_point(scores.same, scores.twin, scores.general, 0.01)
    assert found["twin_fmr_at_fmr_0.01"].value == pytest.approx(point.twin_fmr, abs=1e-5)
    assert found["fnmr_at_fmr_0.01"].value == pytest.approx(point.fnmr, abs=1e-5)


def test_what_is_not_estimable_is_left_out(three):
    few = evaluation(twins=4, singles=1, images=2)
    found = model_estimates(few.kept, Resampling.draw(few.kept, rounds=50))
    assert "twin_eer" in found
    assert "general_tar_at_far_0.0001" not in found
    assert "twin_fmr_at_fmr_0.0001" not in found


def test_a_figure_is_the_mean_of_the_models_with_their_sd(estimated, resampling):
    found = figures(estimated, resampling)["twin_eer"]
    values = [each["twin_eer"].value for each in estimated]
    assert found.value == pytest.approx(np.mean(values))
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    assert found.interval.low < found.value < found.interval.high


def test_of_one_model_the_figure_is_its_estimate(estimated, resampling):
    found = figures(estimated[:1], resampling)["twin_auc"]
    alone = estimated[0]["twin_auc"]
    assert (found.value, found.sd) == (alone.value, None)
    assert found.interval == pytest.approx(alone.interval)


def test_a_configuration_gains_nothing_over_itself_and_nothing_is_certain_of_that(estimated):
    for value, interval in gains(estimated[:2], estimated[:2]).values():
        assert value == 0
        assert interval is None


def test_a_gain_is_paired_by_family(estimated, resampling):
    better, worse = estimated[:1], estimated[1:2]
    value, interval = gains(better, worse)["twin_eer"]
    assert value == pytest.approx(better[0]["twin_eer"].value - worse[0]["twin_eer"].value)
    apart = sum(
        (figures(each, resampling)["twin_eer"].interval.high - figures(each, resampling)["twin_eer"].value) ** 2
        for each in (better, worse)
    )
    assert (interval.high - value) ** 2 < apart


def test_p3_is_the_mean_over_the_models(three):
    each = [
        fold_accuracy(one.scores.same, one.scores.twin, one.scores.same_family, one.scores.twin_family) for one in three
    ]
    found = accuracy([one.scores for one in three])
    assert found.folds == 10
    assert found.mean == pytest.approx(np.mean([one.mean for one in each]))
    assert found.sd == pytest.approx(np.mean([one.sd for one in each]))


def test_p3_of_too_few_families_is_none():
    assert accuracy([evaluation(twins=4, singles=1).scores]) is None


def test_p3_does_not_take_scores_that_are_none_for_few_families(three):
    one = three[0].scores
    same = one.same.copy()
    same[0] = np.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        accuracy([replace(one, same=same)])


def test_p3_needs_a_family_with_both_kinds_of_pairs_for_each_fold(three):
    one = three[0].scores
    families = len(np.intersect1d(one.same_family, one.twin_family))
    assert accuracy([one], folds=families).folds == families
    assert accuracy([one], folds=families + 1) is None


def test_every_protocol_takes_another_programs_score_matrix(three):
    one = three[0]
    unit = one.embeddings / np.linalg.norm(one.embeddings, axis=1, keepdims=True)
    matrix = unit @ unit.T
    scores = matrix_scores(matrix, one.person, one.family, one.twin_pairs)
    p1_p2 = verification_metrics(scores)
    assert {"twin_eer", "twin_auc", "general_eer"} <= p1_p2.keys()
    p3 = fold_accuracy(scores.same, scores.twin, scores.same_family, scores.twin_family)
    p4 = tar_at_far(roc(scores.same, scores.general), 0.01)
    p5 = twin_operating_point(scores.same, scores.twin, scores.general, 0.01)
    assert 0.5 < p3.mean <= 1
    assert 0 <= p5.fnmr <= 1
    assert p4.tar == pytest.approx(1 - p5.fnmr, abs=1e-6)
    kept = by_family(scores, matrix_blocks(matrix, one.family), one.names)
    found = model_estimates(kept, Resampling.draw(kept, rounds=50))
    assert found["twin_eer"].value == pytest.approx(p1_p2["twin_eer"], abs=1e-5)
