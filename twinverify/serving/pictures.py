"""The figures of a model folder: the DET with its bands, and where the scores lie; curves only, nobody's face."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from twinverify.serving.facts import Facts
from twinverify.verification.bands import roc_band
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.resampling import Resampling

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DET_FILE: Final = "det.png"
SCORES_FILE: Final = "scores.png"
PICTURES: Final = (DET_FILE, SCORES_FILE)

# Okabe and Ito's colours, told apart by people who are colour-blind.
_SAME, _TWIN, _UNRELATED = "#009e73", "#d55e00", "#0072b2"
_TICKS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.98)
#: A rate of 0 or 1 has no place on a normal-deviate axis.
_NEAREST: Final = 5e-4
_BINS: Final = 50


def draw_pictures(folder: Path, scores: FamilyScores, facts: Facts) -> None:
    """Write the pictures of a model into its folder.

    Args:
        folder: the model's.
        scores: of the validation.
        facts: what is told of the model.
    """
    _save(_det(scores, facts), folder / DET_FILE)
    _save(_histograms(scores, facts), folder / SCORES_FILE)


def _figure() -> "tuple[Figure, Axes]":
    # Its first use on a machine looks through all fonts, and says so.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # On demand, and without pyplot, which would look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.8), dpi=120, layout="constrained")
    return figure, figure.add_subplot()


def _save(figure: "Figure", path: Path) -> None:
    # Without the date and the version of the program: the same model gives the same bytes.
    figure.savefig(path, metadata={"Software": None})


def _det(scores: FamilyScores, facts: Facts) -> "Figure":
    figure, axes = _figure()
    resampling = Resampling.draw(scores, rounds=500)
    low, high = _deviate(np.array([_NEAREST, 1 - _NEAREST]))
    axes.plot([low, high], [low, high], color="0.8", linewidth=1, zorder=0)
    for protocol, name, colour in (("twin", "twins", _TWIN), ("general", "unrelated people", _UNRELATED)):
        band = roc_band(scores, resampling, protocol)  # type: ignore[arg-type]
        if len(band.far):
            far = _deviate(band.far)
            axes.fill_between(far, _deviate(1 - band.high), _deviate(1 - band.low), color=colour, alpha=0.15, lw=0)
            axes.plot(far, _deviate(1 - band.tar), color=colour, label=f"against {name}")
    for rate, colour in ((facts.operating_point.twin_fmr, _TWIN), (facts.operating_point.unrelated_fmr, _UNRELATED)):
        if rate is not None:
            point = _deviate(np.array([rate.value, facts.operating_point.fnmr.value]))
            axes.plot(*point, "o", color=colour, clip_on=False)
    places = _deviate(np.array(_TICKS))
    words = [f"{tick:.1%}".replace(".0%", "%") for tick in _TICKS]
    axes.set_xticks(places, words, rotation=45)
    axes.set_yticks(places, words)
    axes.set(xlim=(low, high), ylim=(low, high), xlabel="false match rate", ylabel="false non-match rate")
    axes.set_title("DET of the validation families, 95 % bands over families;\ndots: at the threshold", fontsize=10)
    axes.legend(frameon=False, loc="upper right")
    return figure


def _histograms(scores: FamilyScores, facts: Facts) -> "Figure":
    figure, axes = _figure()
    unrelated = scores.general.sum(axis=0)
    kinds = [(scores.same, None, "same person", _SAME)]
    if len(scores.twin):
        kinds.append((scores.twin, None, "twins", _TWIN))
    if unrelated.sum():
        kinds.append((scores.thresholds, unrelated / unrelated.sum(), "unrelated people", _UNRELATED))
    lowest, highest = (float(end([end(values) for values, *_ in kinds])) for end in (np.min, np.max))
    edges = np.linspace(lowest, max(highest, lowest + 1e-3), _BINS + 1)
    for values, weights, name, colour in kinds:
        shares = np.full(len(values), 1 / len(values)) if weights is None else weights
        heights, _ = np.histogram(values, edges, weights=shares)
        axes.stairs(heights, edges, color=colour, fill=True, alpha=0.25)
        axes.stairs(heights, edges, color=colour, label=name)
    axes.axvline(facts.operating_point.threshold, color="0.2", linestyle="--", linewidth=1, label="threshold")
    axes.set(xlabel="score", ylabel="share of the pairs", ylim=(0, None))
    axes.set_title("Scores of the validation pairs", fontsize=10)
    axes.legend(frameon=False)
    return figure


def _deviate(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = ndtri(np.clip(rates, _NEAREST, 1 - _NEAREST))
    return found
