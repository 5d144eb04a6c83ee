"""Intervals by family bootstrap: their form, what has none, and that they follow the families, not the pairs."""

from dataclasses import replace

import numpy as np
import pytest
from evaluations import evaluation, scored
from scipy import stats

from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import METRICS, estimates
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.resampling import Resampling


def measured(kept: FamilyScores, rounds: int = 300, **options):
    return estimates(kept, Resampling.draw(kept, rounds), **options)


def test_every_ranking_metric_has_its_value_inside_its_interval() -> None:
    made = evaluation(twins=30, singles=4, images=8)
    found, metrics = measured(made.kept), verification_metrics(made.scores)
    assert tuple(found) == METRICS
    for name, one in found.items():
        assert one.value == pytest.approx(metrics[name], abs=1e-4), name
        assert one.drawn.shape == (300,)
        assert one.interval is not None
        assert 0 <= one.interval.low < one.value < one.interval.high <= 1, name
        assert np.quantile(one.drawn, 0.25) < one.interval.high, name


def test_the_interval_is_a_t_tests_on_the_logit_scale_for_the_effective_number_of_families() -> None:
    kept = evaluation(twins=9, singles=0, images=5).kept
    one = measured(kept)["twin_eer"]
    pairs = np.array([(kept.twin_family == family).sum() for family in range(9)])
    families = min(pairs.sum() ** 2 / (pairs**2).sum(), kept.same_pairs.sum() ** 2 / (kept.same_pairs**2).sum())
    assert families < 9
    assert one.families == pytest.approx(families)
    half = (
        stats.t.ppf(0.975, families - 1)
        * np.sqrt(families / (families - 1))
        * np.std(np.log(one.drawn / (1 - one.drawn)), ddof=1)
    )
    ends = np.log(one.value / (1 - one.value)) + np.array([-half, half])
    np.testing.assert_allclose(one.interval, 1 / (1 + np.exp(-ends)), rtol=1e-9)


def test_more_images_of_the_same_families_do_not_make_it_much_narrower() -> None:
    # each image four times over, with a little noise: 16 times the pairs, hardly anything new
    few = evaluation(twins=10, singles=0, images=4, noise=1.5)
    rng = np.random.default_rng(1)
    again = np.repeat(few.embeddings, 4, axis=0)
    many = scored(
        (again + 0.05 * rng.normal(size=again.shape)).astype(np.float32),
        np.repeat(few.person, 4),
        np.repeat(few.family, 4),
        few.twin_pairs,
    )
    assert len(many.scores.twin) == 16 * len(few.scores.twin)
    widths = [high - low for low, high in (measured(one.kept)["twin_auc"].interval for one in (few, many))]
    assert 0.7 < widths[1] / widths[0] < 1.3


def test_more_families_make_it_narrower_by_their_square_root() -> None:
    few, many = (evaluation(twins=twins, singles=0, images=4).kept for twins in (10, 40))
    widths = [high - low for low, high in (measured(kept)["twin_auc"].interval for kept in (few, many))]
    assert 1.5 < widths[0] / widths[1] < 3.5


def test_a_wider_level_gives_a_wider_interval() -> None:
    kept = evaluation().kept
    narrow, wide = (measured(kept, level=level)["twin_eer"].interval for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


@pytest.mark.parametrize(
    ("twins", "singles", "protocols"),
    [(0, 5, {"general"}), (1, 0, {"twin"}), (4, 0, {"twin", "general"})],
    ids=["no twins", "one family", "both"],
)
def test_what_the_pairs_do_not_give_is_left_out(twins: int, singles: int, protocols: set[str]) -> None:
    found = measured(evaluation(twins, singles).kept)
    assert {name.split("_")[0] for name in found} == protocols
    assert not any("0.001" in name for name in found)  # too few unrelated pairs for that FAR


@pytest.mark.parametrize("twins", [1, 2])
def test_of_one_or_two_families_no_interval_is_estimable(twins: int) -> None:
    one = measured(evaluation(twins=twins, singles=0).kept)["twin_eer"]
    assert 0 <= one.value <= 1
    assert one.interval is None


@pytest.mark.parametrize(("same", "twin", "value"), [(0.5, 0.5, 0.5), (0.9, 0.1, 0.0), (0.1, 0.9, 1.0)])
def test_where_no_drawing_differs_there_is_no_interval(same: float, twin: float, value: float) -> None:
    made = evaluation().kept
    constant = replace(made, same=np.full_like(made.same, same), twin=np.full_like(made.twin, twin))
    one = measured(constant, metrics=["twin_eer"])["twin_eer"]
    assert one.value == pytest.approx(value, abs=1e-12)
    assert one.interval is None


def test_a_rate_of_one_has_an_interval_that_reaches_one() -> None:
    made = evaluation(twins=8, images=4).kept
    twin = np.where(made.twin_family == 0, 0.6, 0.1).astype(np.float32)
    same = np.where(made.same_family == 0, 0.5, 0.9).astype(np.float32)
    # all right at a FAR that allows family 0's twins; in drawings with more of that family it does not
    share = (made.twin_family == 0).mean()
    one = measured(replace(made, same=same, twin=twin), metrics=["twin_tar_at_far_0.1"])["twin_tar_at_far_0.1"]
    assert 0.1 < share < 0.15
    assert one.value < 1
    assert one.interval is not None
    assert one.interval.low < one.value < one.interval.high <= 1


def test_no_same_person_pairs_give_nothing() -> None:
    made = evaluation().kept
    nobody = replace(made, same=made.same[:0], same_family=made.same_family[:0])
    assert measured(nobody) == {}


def test_a_resampling_of_other_families_is_refused() -> None:
    resampling = Resampling.draw(evaluation(twins=8).kept, 10)
    with pytest.raises(ValueError, match="of other families"):
        estimates(evaluation(twins=9).kept, resampling)


def test_a_metric_without_interval_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"twin_eerr: has no interval; did you mean twin_eer\?"):
        measured(evaluation().kept, metrics=["twin_eerr"])
