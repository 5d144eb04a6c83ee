"""The scores behind the curves: same person, twins, unrelated people, and where the threshold lies."""

from typing import Final

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from twinverify.reports.page.look import BEST, DEFAULT, GREEN, GREY, figure
from twinverify.reports.page.told import Plot
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.metrics import crossing, roc

Floats = NDArray[np.float64]

_HOW: Final = (
    "How alike the best trial's model finds the two faces of a pair; each curve has area 1, however many pairs it is"
    " of. What overlaps left and right of the line{line} is what is told apart wrongly."
)
_BINS: Final = 48


def histograms(scores: FamilyScores | None, trial: int | None) -> Plot:
    """Draw the distribution of the scores of each kind of pair."""
    plot = Plot(
        "scores", "Scores of the best trial", _HOW.format(line=""), None, "No scores of the best trial were kept."
    )
    if scores is None or not len(scores.same):
        return plot
    low, high = _ends(scores)
    edges = np.linspace(low, high, _BINS + 1)
    made = figure(height=360)
    for name, colour, heights in (
        (f"same person ({len(scores.same):,} pairs)", GREEN, _density(scores.same, None, edges)),
        (f"twins ({len(scores.twin):,})", BEST, _density(scores.twin, None, edges)),
        (f"unrelated ({int(scores.general.sum()):,})", DEFAULT, _general(scores, edges)),
    ):
        if heights.any():
            made.add_trace(_outline(name, colour, edges, heights))
    threshold = twin_threshold(scores)
    if threshold is not None:
        made.add_vline(x=threshold, line={"dash": "dash", "color": GREY, "width": 1.5})
        text = f"EER of twins: {threshold:.3f}"
        made.add_annotation(x=threshold, y=1, yref="paper", text=text, yanchor="bottom", showarrow=False)
        made.update_layout(margin={"t": 40}, legend={"y": 1.1})
    line = "" if threshold is None else " (the threshold where as many twins are accepted as own images refused)"
    made.update_xaxes(title="score (cosine)")
    made.update_yaxes(title="density", rangemode="tozero")
    return plot._replace(figure=made, title=f"Scores of trial {trial}, the best", how=_HOW.format(line=line))


def twin_threshold(scores: FamilyScores) -> float | None:
    """Give the threshold at the EER of the twin protocol; None without twins."""
    if not len(scores.same) or not len(scores.twin):
        return None
    curve = roc(scores.same, scores.twin)
    return float(curve.thresholds[crossing(curve)])


def _ends(scores: FamilyScores) -> tuple[float, float]:
    ends = [part for part in (scores.same, scores.twin, scores.thresholds) if len(part)]
    low, high = min(float(part.min()) for part in ends), max(float(part.max()) for part in ends)
    return (low, high) if high > low else (low - 0.01, high + 0.01)


def _density(values: NDArray[np.floating], weights: Floats | None, edges: Floats) -> Floats:
    counts, _ = np.histogram(values, edges, weights=weights)
    total = counts.sum() * (edges[1] - edges[0])
    return np.asarray(counts / total if total else counts, np.float64)


def _general(scores: FamilyScores, edges: Floats) -> Floats:
    """Spread the counts between two thresholds evenly over them: they are counted, not kept."""
    if not scores.general.size:
        return np.zeros(len(edges) - 1)
    counts = scores.general.sum(axis=0, dtype=np.float64)
    ends = np.append(scores.thresholds.astype(np.float64), max(float(edges[-1]), float(scores.thresholds[-1]) + 1e-6))
    summed = np.concatenate([[0.0], np.cumsum(counts)])
    within = np.diff(np.interp(edges, ends, summed))
    total = within.sum() * (edges[1] - edges[0])
    return np.asarray(within / total if total else within, np.float64)


def _outline(name: str, colour: str, edges: Floats, heights: Floats) -> go.Scatter:
    return go.Scatter(
        x=edges,
        y=np.append(heights, heights[-1]),
        mode="lines",
        name=name,
        line={"color": colour, "width": 1.6, "shape": "hv"},
        fill="tozeroy",
        opacity=0.9,
        hovertemplate=f"{name}: %{{y:.2f}}<extra></extra>",
    )
