"""A setting as the axis of a figure."""

from typing import Any, Final, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from twinverify.reports.page.look import plain
from twinverify.reports.words import value

Floats = NDArray[np.float64]

#: Points along a range.
GRID: Final = 40


class Axis(NamedTuple):
    """A setting along an axis: where values lie in 0 to 1, and how the axis is to look."""

    name: str
    labels: tuple[str, ...]
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def at(self, drawn: Any) -> Any:
        """Give what Plotly wants of a value: the number, or the label."""
        return plain(value(drawn)) if self.labels else drawn

    def place(self, drawn: Any) -> float:
        """Give where a value lies, 0 to 1."""
        if self.labels:
            return self.labels.index(self.at(drawn)) / max(1, len(self.labels) - 1)
        number, low, high = (
            np.log([drawn, self.low, self.high]) if self.log else np.array([drawn, self.low, self.high])
        ).tolist()
        return float((number - low) / (high - low)) if high > low else 0.5

    def grid(self) -> tuple[Floats, list[Any]]:
        """Give places, and what Plotly wants at each."""
        if self.labels:
            return np.array([i / max(1, len(self.labels) - 1) for i in range(len(self.labels))]), list(self.labels)
        if self.whole and self.high - self.low < GRID:
            numbers = list(range(int(self.low), int(self.high) + 1))
            return np.array([self.place(number) for number in numbers]), numbers
        places = np.linspace(0, 1, GRID)
        ends = np.log([self.low, self.high]) if self.log else np.array([self.low, self.high])
        values = ends[0] + places * (ends[1] - ends[0])
        return places, (np.exp(values) if self.log else values).tolist()


def axis_of(study: optuna.Study, name: str) -> Axis:
    """Give the axis of a setting: the choices in the order of the space, or the range that was searched."""
    having = [trial for trial in study.get_trials(deepcopy=False) if name in trial.params]
    domains = [trial.distributions[name] for trial in having]
    if any(isinstance(domain, CategoricalDistribution) for domain in domains):
        choices = [choice for domain in domains for choice in getattr(domain, "choices", ())]
        drawn = {plain(value(trial.params[name])) for trial in having}
        labels = tuple(label for label in dict.fromkeys(plain(value(choice)) for choice in choices) if label in drawn)
        return Axis(name, labels, 0, 0)
    ranges = [domain for domain in domains if isinstance(domain, IntDistribution | FloatDistribution)]
    low, high = min(each.low for each in ranges), max(each.high for each in ranges)
    whole = all(isinstance(each, IntDistribution) for each in ranges)
    return Axis(name, (), low, high, any(each.log for each in ranges), whole)


def look_of(axis: Axis) -> dict[str, Any]:
    """Give what Plotly has to know of an axis."""
    if axis.labels:
        return {"type": "category", "categoryorder": "array", "categoryarray": axis.labels}
    if axis.log:
        return {"type": "log", "exponentformat": "power"}
    return {"type": "linear", "dtick": 1} if axis.whole and axis.high - axis.low <= 20 else {"type": "linear"}
