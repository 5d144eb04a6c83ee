"""ROC and DET: the curve of known distributions, its band, and protocols that are never mixed."""

import numpy as np
import pytest
from made_up_scores import scores_of, without_twins
from page_figures import trace
from scipy.stats import norm

from twinverify.reports.page.curves import PROTOCOLS, Curve, Protocol, curve, det_plot, roc_plot
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.resampling import Resampling


def curve_of(scores: FamilyScores, protocol: Protocol) -> Curve:
    found = curve(scores, protocol, Resampling.draw(scores, 100))
    assert found is not None
    return found


@pytest.mark.parametrize(("protocol", "distance"), [("twin", 2.0), ("general", 5.0)])
def test_the_curve_of_two_normal_distributions_is_the_known_one(protocol: Protocol, distance: float) -> None:
    found = curve_of(scores_of(twins=0.3, families=20, pairs=200), protocol)
    known = norm.cdf(distance + norm.ppf(found.far))
    assert found.tar == pytest.approx(known, abs=0.05)


def test_the_band_holds_the_curve_and_is_no_line() -> None:
    found = curve_of(scores_of(twins=0.3), "twin")
    assert (found.low <= found.tar + 1e-9).all()
    assert (found.high >= found.tar - 1e-9).all()
    assert (found.high - found.low).max() > 0.02


def test_rates_of_fewer_than_ten_pairs_are_left_out() -> None:
    scores = scores_of(twins=0.3)
    assert curve_of(scores, "twin").far[0] == pytest.approx(10 / len(scores.twin))
    assert curve_of(scores, "general").far[0] == pytest.approx(10 / 1800)


def test_without_pairs_of_a_kind_there_is_no_curve_and_the_reason_is_said() -> None:
    scores = without_twins(scores_of(twins=0.3))
    assert curve(scores, "twin", Resampling.draw(scores, 10)) is None
    plot = roc_plot("twin", {})
    assert plot.figure is None
    assert "twin pairs" in plot.why_not


def test_the_figures_show_the_curves_best_and_default_apart() -> None:
    best, default = (curve_of(scores_of(twins=twins), "twin") for twins in (0.2, 0.4))
    curves = {"best (trial 3)": best, "default": default}
    roc, det = roc_plot("twin", curves), det_plot("twin", curves)
    # The band is named like its line.
    [line] = [each for each in roc.figure.data if each.name == "best (trial 3)"]  # type: ignore[union-attr]
    assert np.array(line.y) == pytest.approx(best.tar)
    [line] = [each for each in det.figure.data if each.name == "default"]  # type: ignore[union-attr]
    assert np.array(line.y) == pytest.approx(norm.ppf(np.clip(1 - default.tar, 5e-5, 1 - 5e-5)))
    assert np.array(line.x) == pytest.approx(norm.ppf(np.clip(default.far, 5e-5, 1 - 5e-5)))


def test_each_protocol_has_figures_of_its_own() -> None:
    scores = scores_of(twins=0.3)
    names = {plot.name for p in ("twin", "general") for plot in (roc_plot(p, {}), det_plot(p, {}))}
    assert names == {"roc_twin", "roc_general", "det_twin", "det_general"}
    figure = roc_plot("general", {"best (trial 1)": curve_of(scores, "general")}).figure
    assert "unrelated people" in figure.layout.xaxis.title.text  # type: ignore[union-attr]
    assert trace(figure, "guessing").x[-1] == 1


@pytest.mark.parametrize(("families", "words"), [(2, "too few families"), (12, "Bands are 95 % intervals")])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_bands_are_spoken_of_where_there_are_some(protocol: Protocol, families: int, words: str) -> None:
    curves = {"best": curve_of(scores_of(twins=0.3, families=families), protocol)}
    assert words in det_plot(protocol, curves).how
    assert words in roc_plot(protocol, curves).how
