"""ROC bands: the curve of all pairs, with an interval at each FAR."""

import numpy as np
import pytest
from evaluations import evaluation

from twinverify.verification.bands import roc_band
from twinverify.verification.metrics import roc, tar_at_far
from twinverify.verification.resampling import Resampling


@pytest.mark.parametrize(("protocol", "tolerance"), [("twin", 1e-9), ("general", 0.02)])
def test_the_curve_is_that_of_all_pairs_inside_its_band(protocol, tolerance: float) -> None:
    made = evaluation(twins=20, singles=4, images=6)
    band = roc_band(made.kept, Resampling.draw(made.kept, 100), protocol, points=20)
    negative = made.scores.twin if protocol == "twin" else made.scores.general
    curve = roc(made.scores.same, negative)
    assert band.far[0] == pytest.approx(10 / len(negative))
    for far, tar in zip(band.far, band.tar, strict=True):
        assert tar == pytest.approx(tar_at_far(curve, far).tar, abs=tolerance), far
    assert (np.diff(band.tar) >= 0).all()
    wide = np.isfinite(band.low)
    assert wide.sum() > 15
    assert (band.low[wide] <= band.tar[wide]).all()
    assert (band.tar[wide] <= band.high[wide]).all()


def test_without_pairs_the_curve_is_empty() -> None:
    for twins, singles, protocol in ((0, 5, "twin"), (1, 0, "general")):
        kept = evaluation(twins, singles).kept
        assert len(roc_band(kept, Resampling.draw(kept, 5), protocol).far) == 0
