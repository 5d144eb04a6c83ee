"""How all figures look: colours with one meaning each, on light and dark alike, and words that carry no markup."""

from html import escape
from typing import Final, NamedTuple

import plotly.graph_objects as go

from twinverify.search.record import TrialState


class Mark(NamedTuple):
    """How the trials of one state are drawn, and what they are called."""

    name: str
    colour: str
    symbol: str


# Okabe and Ito's colours, which people who are colour-blind tell apart, moved to the middle so that they stand out from
# white and from near-black; the symbols say the same once more.
BEST: Final = "#d9730d"
DEFAULT: Final = "#2f86c6"
GREEN: Final = "#16996f"
RED: Final = "#c9506f"
VIOLET: Final = "#8a6fd1"
GREY: Final = "#8b929c"

MARKS: Final[dict[TrialState, Mark]] = {
    "completed": Mark("completed", GREEN, "circle"),
    "pruned": Mark("stopped early", GREY, "triangle-down"),
    "running": Mark("running", VIOLET, "circle-open"),
    "failed": Mark("failed", RED, "x"),
}

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def see_through(colour: str, opacity: float) -> str:
    """Give `#rrggbb` with an opacity."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def template(*, ink: str, lines: str, paper: str) -> go.layout.Template:
    """Give the look of axes, words and legends: `ink` for words, `lines` for grids, `paper` behind hover labels."""
    axis = {
        "gridcolor": lines,
        "linecolor": lines,
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "tickcolor": lines,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": _FONT, "size": 12, "color": ink},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "colorway": [BEST, DEFAULT, GREEN, VIOLET, RED, GREY],
            "hovermode": "closest",
            "hoverlabel": {"align": "left", "bgcolor": paper, "bordercolor": lines, "font": {"color": ink}},
            "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
            "margin": {"l": 60, "r": 16, "t": 16, "b": 48},
            "annotationdefaults": {"font": {"size": 11, "color": ink}, "bgcolor": see_through(paper, 0.7)},
            "shapedefaults": {"line": {"color": GREY}},
            "coloraxis": {"colorbar": {"outlinewidth": 0, "thickness": 12, "tickcolor": lines}},
        }
    )


LIGHT: Final = template(ink="#22272e", lines="#d8dce2", paper="#ffffff")
DARK: Final = template(ink="#dde2e8", lines="#3b434d", paper="#1c2127")


def figure(*, height: int = 380) -> go.Figure:
    """Give an empty figure in the light look; the page puts the dark one on where that is asked for."""
    made = go.Figure()
    made.update_layout(template=LIGHT, height=height)
    return made


def plain(text: object) -> str:
    """Give a text from outside as Plotly shows it letter by letter: it reads a few tags, links among them."""
    return escape(str(text), quote=False)
