"""The threshold and what stands beside it, on drawn scores, against the protocol's own function."""

import numpy as np
import pytest
from drawn_scores import drawn

from twinverify.serving.calibration import calibration, operating_point, share_reaching
from twinverify.verification.metrics import eer, roc
from twinverify.verification.operating_point import twin_operating_point
from twinverify.verification.resampling import Resampling


@pytest.mark.parametrize(("families", "images", "wanted"), [(4, 3, 0.1), (8, 5, 0.01), (25, 3, 0.001)])
def test_the_threshold_is_that_of_p5_at_the_smallest_fmr_that_is_estimable(
    families: int, images: int, wanted: float
) -> None:
    scores, kept = drawn(families, images)
    found = operating_point(kept, Resampling.draw(kept, rounds=200))
    expected = twin_operating_point(scores.same, scores.twin, scores.general, wanted)
    assert found.wanted_fmr == wanted
    assert wanted * len(scores.general) >= 10
    assert wanted / 10 * len(scores.general) < 10 or wanted == 0.001
    assert expected is not None
    assert found.threshold == expected.threshold
    assert found.unrelated_fmr is not None
    assert found.twin_fmr is not None
    assert found.unrelated_fmr.value == pytest.approx(expected.unrelated_fmr)
    assert found.twin_fmr.value == pytest.approx(expected.twin_fmr)
    assert found.fnmr.value == pytest.approx(expected.fnmr)


def test_intervals_hold_the_rate_and_narrow_with_more_families() -> None:
    widths = []
    for families in (8, 40):
        _, kept = drawn(families, 5)
        rate = operating_point(kept, Resampling.draw(kept, rounds=500)).twin_fmr
        assert rate is not None
        assert rate.low is not None
        assert rate.high is not None
        assert rate.low < rate.value < rate.high
        widths.append(rate.high - rate.low)
    assert widths[1] < widths[0]


def test_without_twins_the_rest_is_told() -> None:
    scores, kept = drawn(30, 4, twins=False)
    found = operating_point(kept, Resampling.draw(kept, rounds=200))
    assert found.twin_fmr is None
    assert found.wanted_fmr == 0.01
    assert found.unrelated_fmr is not None
    assert found.unrelated_fmr.value == pytest.approx((scores.general >= found.threshold).mean())
    assert calibration(kept).twin is None


def test_with_too_few_unrelated_pairs_the_threshold_is_that_of_the_eer() -> None:
    scores, kept = drawn(2, 3)
    found = operating_point(kept, Resampling.draw(kept, rounds=200))
    assert (found.rule, found.wanted_fmr) == ("general_eer", None)
    fmr, fnmr = (scores.general >= found.threshold).mean(), (scores.same < found.threshold).mean()
    assert found.unrelated_fmr is not None
    assert found.unrelated_fmr.value == pytest.approx(fmr)
    assert abs(fmr - fnmr) < 0.15
    assert min(fmr, fnmr) - 1e-9 <= eer(roc(scores.same, scores.general)) <= max(fmr, fnmr) + 1e-9


def test_with_one_family_twins_alone_set_it() -> None:
    scores, kept = drawn(1, 6)
    found = operating_point(kept, Resampling.draw(kept, rounds=200))
    assert found.rule == "twin_eer"
    assert found.unrelated_fmr is None
    assert found.twin_fmr is not None
    assert found.twin_fmr.value == pytest.approx((scores.twin >= found.threshold).mean())


def test_the_table_gives_the_share_of_the_pairs_that_reach_a_score() -> None:
    scores, kept = drawn(24, 4)
    table = calibration(kept)
    point = operating_point(kept, Resampling.draw(kept, rounds=50))
    for kind, values in (("unrelated", scores.general), ("twin", scores.twin), ("same", scores.same)):
        assert share_reaching(table, kind, -1.1) == 1
        assert share_reaching(table, kind, 1.1) == 0
        assert share_reaching(table, kind, point.threshold) == pytest.approx((values >= point.threshold).mean())
        for score in np.linspace(-0.5, 0.99, 40):
            assert share_reaching(table, kind, score) == pytest.approx((values >= score).mean(), abs=0.02), kind
    for shares in (table.unrelated, table.twin, table.same):
        assert shares is not None
        assert (np.diff(shares) <= 0).all()


def test_the_table_is_small_however_many_pairs_there_are() -> None:
    _, kept = drawn(40, 12)
    assert len(kept.twin) > 5000
    assert len(calibration(kept).score) < 800
