"""The charts beside MLflow's run list: parallel coordinates of the drawn values, and the curves of the metrics.

By itself the UI draws a curve of each metric, in the order of the alphabet, and no parallel coordinates.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

#: More axes than that cannot be told apart.
_MOST_AXES: Final = 8


def chart_state(
    drawn: Sequence[Mapping[str, str]], parameters: Sequence[str], metrics: Sequence[str]
) -> dict[str, Any]:
    """Give the part of a saved view that tells of charts.

    Args:
        drawn: the parameters of each run that has some.
        parameters: names of those worth an axis.
        metrics: names of those worth a curve, at least one; the first is the search's, the parallel coordinates' last.
    """
    search, curves = "twinverify-search", "twinverify-curves"
    axes = {"selectedParams": _shared(drawn, parameters), "selectedMetrics": [metrics[0]], "showAllRuns": False}
    charts = [_chart("PARALLEL", "drawn values and " + metrics[0], search, **axes)] if axes["selectedParams"] else []
    charts += [_chart("LINE", metric, curves, metricKey=metric, **_LINE) for metric in metrics]
    # The UI adds a section for whatever other metrics there are, below these.
    sections = [_section(search, "Search", columns=1, height=420), _section(curves, "Curves", columns=2, height=320)]
    return {
        "compareRunCharts": charts,
        "compareRunSections": sections if axes["selectedParams"] else sections[1:],
        "isAccordionReordered": True,  # otherwise it sorts the sections by name
        "runsHiddenMode": "FIRST_20_RUNS",
    }


_LINE: Final = {
    "lineSmoothness": 0,
    "xAxisScaleType": "linear",
    "scaleType": "linear",
    "range": {},
    "xAxisKey": "step",
    "selectedXAxisMetricKey": "",
    "yAxisKey": "metric",
    "yAxisExpressions": [],
    "ignoreOutliers": False,
    "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True,
}


def _shared(drawn: Sequence[Mapping[str, str]], parameters: Sequence[str]) -> list[str]:
    """Give the parameters that half of the runs have together: the UI leaves out runs which lack one of the axes."""
    shared: list[str] = []
    left = list(drawn)
    for name in sorted(parameters, key=lambda each: -sum(each in run for run in drawn)):
        having = [run for run in left if name in run]
        if 2 * len(having) >= len(drawn):
            left = having
            shared.append(name)
    return [name for name in parameters if name in shared[:_MOST_AXES]]


def _chart(kind: str, title: str, section: str, **own: Any) -> dict[str, Any]:
    common = {"uuid": f"{section}-{title}", "type": kind, "metricSectionId": section, "displayName": title}
    return common | {"runsCountToCompare": 20, "deleted": False, "isGenerated": False} | own


def _section(uuid: str, name: str, *, columns: int, height: int) -> dict[str, Any]:
    shown = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": uuid, "name": name, "columns": columns, "cardHeight": height, **shown}
