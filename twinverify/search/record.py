"""One trial as the journal tells it."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from twinverify.verification.objective import cost

TrialState = Literal["running", "completed", "pruned", "failed"]
Then = Literal["continue", "pruned", "completed"]
#: The metric that tells how long an epoch took, training and validation.
EPOCH_SECONDS: Final = "system/epoch_seconds"


@dataclass
class Trial:
    """One trial."""

    number: int
    values: dict[str, Any]
    drawn_at: float
    state: TrialState = "running"
    cause: str | None = None
    ended_at: float | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    reported_at: list[float] = field(default_factory=list)
    #: The epoch after which it would have been stopped, had it not been let run: see `spare`.
    spared_at: int | None = None
    #: By objective: in which reports, how many of them seen, their lowest cost and its epoch. Asked for at each report.
    _best: dict[str, tuple[list[dict[str, float]], int, tuple[float, int] | None]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def epoch(self) -> int:
        """The last epoch reported; 0 before the first."""
        return len(self.reports)

    def best(self, objective: str) -> tuple[int, float] | None:
        """Give epoch and value of the best report so far; None where the objective was never reported."""
        reports, seen, found = self._best.get(objective, (self.reports, 0, None))
        if reports is not self.reports:
            seen, found = 0, None
        for epoch, metrics in enumerate(self.reports[seen:], seen + 1):
            if objective in metrics and (found is None or cost(objective, metrics[objective]) < found[0]):
                found = cost(objective, metrics[objective]), epoch
        self._best[objective] = self.reports, len(self.reports), found
        return None if found is None else (found[1], self.reports[found[1] - 1][objective])


class Judged(NamedTuple):
    """A trial with its best epoch and the objective's value there."""

    trial: Trial
    epoch: int
    value: float

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the best epoch."""
        return self.trial.reports[self.epoch - 1]
