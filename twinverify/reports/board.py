"""What a leaderboard shows: the trials of one sweep or several, best first, with how sure their values are."""

from collections.abc import Callable, Collection, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from twinverify.reports.scored import Estimates, Key, estimates_of, tied
from twinverify.search.past import PastSweep
from twinverify.search.record import Judged
from twinverify.verification.intervals import METRICS, Interval
from twinverify.verification.objective import cost
from twinverify.verification.ties import Difference, difference


@dataclass(frozen=True)
class Row:
    """One trial that has a value."""

    key: Key
    judged: Judged

    @property
    def is_default(self) -> bool:
        """Whether it has the default configuration."""
        return self.key.trial == 0


@dataclass(frozen=True)
class Board:
    """Sweeps that are judged by the same metric on the same data.

    Attributes:
        sweeps: one at least.
        estimates: of the trials whose scores were kept.
    """

    sweeps: Sequence[PastSweep]
    estimates: Estimates

    @property
    def objective(self) -> str:
        """The metric that the trials are judged by."""
        return self.sweeps[0].state.objective

    @property
    def metric(self) -> str:
        """The objective without `val/`."""
        return self.objective.removeprefix("val/")

    @cached_property
    def rows(self) -> list[Row]:
        """All trials with a value, best first; of equals the earlier; failed ones last."""
        rows = [Row(Key(past.name, each.trial.number), each) for past in self.sweeps for each in past.state.ranked()]
        return sorted(
            rows, key=lambda row: (row.judged.trial.state == "failed", cost(self.objective, row.judged.value))
        )

    @cached_property
    def best(self) -> Row | None:
        """The first, unless all have failed."""
        first = next(iter(self.rows), None)
        return None if first is None or first.judged.trial.state == "failed" else first

    @cached_property
    def tied(self) -> Set[Key]:
        """The trials that cannot be told from the best."""
        return frozenset() if self.best is None else tied(self.estimates, self.metric, self.best.key)

    def interval(self, key: Key, metric: str | None = None) -> Interval | None:
        """Give the 95 % interval of a trial's objective, or of another metric; None where it is not estimable."""
        found = self.estimates.get(key, {}).get(metric or self.metric)
        return None if found is None else found.interval

    def can_compare(self, key: Key) -> bool:
        """Say whether a trial was measured on the families that the best was measured on."""
        if self.best is None:
            return False
        first, second = (self.estimates.get(each, {}).get(self.metric) for each in (self.best.key, key))
        return first is not None and second is not None and first.resampling == second.resampling

    def gain(self, other: Key) -> Difference | None:
        """Give by how much the best differs from another trial, family by family; None where that is not known."""
        if self.best is None or not self.can_compare(other):
            return None
        first, second = (self.estimates[key][self.metric] for key in (self.best.key, other))
        return difference(self.metric, first, second)

    def of(self, past: PastSweep) -> "Board":
        """Give the board of one of the sweeps."""
        return Board([past], {key: found for key, found in self.estimates.items() if key.sweep == past.name})


def boards(
    sweeps: Sequence[PastSweep],
    metrics: Collection[str] | None = None,
    told: Callable[[int, int], None] = lambda *_: None,
) -> list[Board]:
    """Put sweeps that can be compared on one board: the same objective, on the same people and images.

    Args:
        sweeps: each appears on one board, in this order.
        metrics: of which intervals are wanted, without `val/`; None = of the objective.
        told: is told how many trials are done, and how many there are.
    """
    together: dict[tuple[str, str], list[PastSweep]] = {}
    for past in sweeps:
        together.setdefault((past.state.objective, past.stored.data_digest), []).append(past)
    wanted = metrics or {past.state.objective.removeprefix("val/") for past in sweeps}
    found = estimates_of(sweeps, [name for name in METRICS if name in wanted], told=told)
    return [Board(group, found) for group in together.values()]
