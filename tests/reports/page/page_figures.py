"""How tests read a figure."""

from typing import Any

import plotly.graph_objects as go


def trace(figure: go.Figure | None, name: str) -> Any:
    """Give the one trace of a figure whose name begins like this."""
    assert figure is not None
    [found] = [each for each in figure.data if (each.name or "").startswith(name)]
    return found
