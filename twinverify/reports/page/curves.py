"""ROC and DET of the best and of the default, twin and general protocol apart, with bands over resampled families."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.special import ndtri

from twinverify.reports.page.look import BEST, DEFAULT, GREY, figure, see_through
from twinverify.reports.page.told import Plot
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.intervals import LEAST_FAMILIES, estimates, spread
from twinverify.verification.resampling import Resampling
from twinverify.verification.twin_curves import TwinCurves

Floats = NDArray[np.float64]
Protocol = Literal["twin", "general"]
PROTOCOLS: Final[tuple[Protocol, ...]] = ("twin", "general")

#: Where the twin curve is drawn, and how finely.
_POINTS: Final = 60
_TITLES: Final = {"twin": "twins", "general": "unrelated people"}
_ROC: Final = (
    "How many same-person pairs are accepted (TAR) where so many pairs of {people} are (FAR, logarithmic): up and"
    " left is better. {bands}"
)
_DET: Final = (
    "The same trade between the two kinds of error, on axes where two normal distributions give a straight line: down"
    " and left is better. The EER is where a curve crosses the diagonal. {bands}"
)
_BANDS: Final = (
    "Bands are 95 % intervals over resampled families, at each FAR for itself; where they overlap widely, the"
    " difference may be luck."
)
_NO_BANDS: Final = "There are too few families to say how sure the curves are."
_TICKS: Final = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
_DECADES: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
#: Where the DET ends: nobody would use a threshold beyond.
_HIGHEST: Final = 0.85


class Curve(NamedTuple):
    """A ROC with its band, at rising FARs.

    Attributes:
        far: (N,) false accept rates.
        tar: (N,) share of the same-person pairs accepted there.
        low: (N,) lower edge of the band.
        high: (N,) upper edge of the band.
        positives: how many same-person pairs there are.
    """

    far: Floats
    tar: Floats
    low: Floats
    high: Floats
    positives: int


def curve(scores: FamilyScores, protocol: Protocol, resampling: Resampling) -> Curve | None:
    """Give the ROC of one protocol with its 95 % band; None where the scores have no pairs of a kind.

    FARs below ten pairs are left out: so few pairs decide nothing.
    """
    negatives = len(scores.twin) if protocol == "twin" else int(scores.general.sum())
    if not len(scores.same) or not negatives:
        return None
    curves = TwinCurves(scores, resampling.weights) if protocol == "twin" else GeneralCurves(scores, resampling)
    lowest = min(0.5, max(1e-4, 10 / negatives))
    far = np.concatenate([np.geomspace(lowest, 0.1, _POINTS // 2, endpoint=False), np.linspace(0.1, 1, _POINTS // 2)])
    far = far[far >= lowest]
    with np.errstate(invalid="ignore", divide="ignore"):  # a drawing without pairs of a kind
        found = np.array([curves.tar(rate) for rate in far])  # (N, M)
    [known] = estimates(scores, resampling, [f"{protocol}_eer"]).values()
    half = np.array([_half(drawn, known.families) for drawn in found[:, 1:]])
    tar = found[:, 0]
    return Curve(far, tar, np.maximum(tar - half, 0), np.minimum(tar + half, 1), len(scores.same))


def roc_plot(protocol: Protocol, curves: Mapping[str, Curve]) -> Plot:
    """Draw the ROC of the `best` and the `default`."""
    how = _ROC.format(people=_TITLES[protocol], bands=_bands(curves))
    plot = _empty(f"roc_{protocol}", f"ROC, same person against {_TITLES[protocol]}", how, protocol)
    if not curves:
        return plot
    made = figure(height=420)
    for name, each in curves.items():
        made.add_traces(_band(name, each.far, each.low, each.high))
        made.add_trace(_line(name, each.far, each.tar))
    first = min(float(each.far[0]) for each in curves.values())
    made.add_trace(_chance(np.geomspace(first, 1, 40), np.geomspace(first, 1, 40)))
    made.update_xaxes(title=f"FAR ({_TITLES[protocol]} accepted)", type="log", range=[np.log10(first), 0])
    # Plotly's own digits between the decades are small and without their zeros.
    made.update_xaxes(tickvals=_DECADES, ticktext=[f"{tick:g}" for tick in _DECADES], tickangle=0)
    made.update_yaxes(title="TAR (same person accepted)", range=[0, 1.01])
    return plot._replace(figure=made)


def det_plot(protocol: Protocol, curves: Mapping[str, Curve]) -> Plot:
    """Draw the DET of the `best` and the `default`: FNR over FAR, both as normal deviates."""
    how = _DET.format(bands=_bands(curves))
    plot = _empty(f"det_{protocol}", f"DET, same person against {_TITLES[protocol]}", how, protocol)
    if not curves:
        return plot
    made = figure(height=420)
    for name, each in curves.items():
        # A rate of 0 or 1 lies at no finite deviate; half the lowest tick stands for it, beyond the last tick.
        far, tar, low, high = (ndtri(np.clip(part, 5e-5, 1 - 5e-5)) for part in each[:4])
        made.add_traces(_band(name, far, -high, -low))
        made.add_trace(_line(name, far, -tar, each.far, 1 - each.tar))
    made.add_trace(_diagonal())
    last = float(ndtri(_HIGHEST))
    # One pair of all is the least that can be refused.
    lowest_far, lowest_fnr = (
        min(float(ndtri(max(1e-4, rate))) for rate in rates)
        for rates in ([each.far[0] for each in curves.values()], [1 / each.positives for each in curves.values()])
    )
    ticks = {"tickvals": ndtri(_TICKS).tolist(), "ticktext": [f"{tick:g}" for tick in _TICKS]}
    made.update_xaxes(title=f"FAR ({_TITLES[protocol]} accepted)", range=[lowest_far, last], tickangle=0, **ticks)
    made.update_yaxes(title="FNR (same person refused)", range=[min(lowest_fnr, -1), last], **ticks)
    return plot._replace(figure=made)


def _half(drawn: Floats, families: float) -> float:
    """Give half a band's width, as `intervals` does for one figure; none where there are too few families.

    Not on the logit scale: along a curve that reaches 1, a few drawings that do not make the sd of the logits explode.
    """
    return spread(drawn, families) if families > LEAST_FAMILIES else 0.0


def _bands(curves: Mapping[str, Curve]) -> str:
    has_some = any((each.high > each.low).any() for each in curves.values())
    return _BANDS if has_some or not curves else _NO_BANDS


def _empty(name: str, title: str, how: str, protocol: Protocol) -> Plot:
    pairs = "twin pairs" if protocol == "twin" else "pairs of unrelated people"
    why_not = f"There are no scores of {pairs}: none were kept, or the validation has none."
    return Plot(name, title, how, None, why_not, half=True)


def _line(name: str, x: Floats, y: Floats, far: Floats | None = None, fnr: Floats | None = None) -> go.Scatter:
    shown = np.stack([x, 1 - y] if far is None or fnr is None else [far, fnr], axis=-1)
    return go.Scatter(
        x=x,
        y=y,
        customdata=shown.round(5),
        mode="lines",
        name=name,
        line={"color": BEST if name.startswith("best") else DEFAULT, "width": 2.2},
        hovertemplate=f"{name}: FAR %{{customdata[0]:.3g}}, FNR %{{customdata[1]:.3g}}<extra></extra>",
    )


def _band(name: str, x: Floats, low: Floats, high: Floats) -> list[go.Scatter]:
    colour = BEST if name.startswith("best") else DEFAULT
    return [
        go.Scatter(
            x=np.concatenate([x, x[::-1]]),
            y=np.concatenate([high, low[::-1]]),
            mode="lines",
            fill="toself",
            fillcolor=see_through(colour, 0.18),
            line={"width": 0, "color": colour},
            hoverinfo="skip",
            name=f"{name}, 95 %",
            showlegend=False,
        )
    ]


def _chance(x: Floats, y: Floats) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", name="guessing", line={"color": GREY, "dash": "dot"}, hoverinfo="skip")


def _diagonal() -> go.Scatter:
    ends = [-4.0, 4.0]
    line = {"color": GREY, "dash": "dot"}
    return go.Scatter(x=ends, y=ends, mode="lines", name="FAR = FNR (EER)", line=line, hoverinfo="skip")
