"""Draws whether stopping early was right: what a rung says of the end, and what became of those that were let run."""

from typing import Final

import plotly.graph_objects as go

from twinverify.errors import counted
from twinverify.reports.page.look import GREEN, GREY, figure
from twinverify.reports.page.told import Plot
from twinverify.search.fidelity import FidelityAudit

_HOW: Final = (
    "How well the order of the trials at a rung tells their order at the end (rank correlation, 95 % interval, over the"
    " trials that ran to the end): near 1 stopping there is safe, near 0 it is a lottery. {spared}"
)
_SPARED: Final = (
    "{spared} to be stopped ran to the end all the same; {won} beat all the others (95 % interval of the share that"
    " would: {low:.0%} to {high:.0%})."
)
_NONE_SPARED: Final = "No trial that was to be stopped ran to the end, so it is not known whether one would have won."


def fidelity(audit: FidelityAudit) -> Plot:
    """Draw the correlation of each rung with the end."""
    told = _told(audit)
    why_not = f"No rung was passed by enough trials that ran to the end. {told}"
    plot = Plot("fidelity", "Was it right to stop early?", _HOW.format(spared=told), None, why_not)
    known = [(rung, rung.correlation) for rung in audit.rungs if rung.correlation is not None]
    if not known:
        return plot
    bounds = [rung.interval or (value, value) for rung, value in known]
    made = figure(height=300)
    made.add_trace(
        go.Scatter(
            x=[f"rung {rung.epoch}" for rung, _ in known],
            y=[value for _, value in known],
            error_y={
                "array": [high - value for (_, value), (_, high) in zip(known, bounds, strict=True)],
                "arrayminus": [value - low for (_, value), (low, _) in zip(known, bounds, strict=True)],
                "color": GREEN,
                "width": 6,
            },
            mode="markers",
            marker={"color": GREEN, "size": 11},
            customdata=[rung.trials for rung, _ in known],
            hovertemplate="%{x}: %{y:.2f}, %{customdata} trials<extra></extra>",
            showlegend=False,
        )
    )
    made.add_hline(y=0, line={"color": GREY, "dash": "dot", "width": 1.2})
    # Few categories would stand at the edges.
    made.update_xaxes(type="category", range=[-1, len(known)])
    made.update_yaxes(title="rank correlation with the end", range=[-1.05, 1.05])
    return plot._replace(figure=made)


def _told(audit: FidelityAudit) -> str:
    """Say what became of the trials that were spared."""
    if audit.share is None:
        return _NONE_SPARED
    low, high = audit.share
    spared = counted(audit.spared, "trial that was", "trials that were")
    return _SPARED.format(spared=spared, won=audit.won or "none", low=low, high=high)
