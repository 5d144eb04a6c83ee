"""The state of a sweep: its trials, drawn, reported and ended. Knows nothing of Ray or MLflow.

Every change is an event of the journal, taken in by `_apply` alone; so a sweep that goes on after a crash is in the
very state of one that was never interrupted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from twinverify.search.journal import Journal, read_journal
from twinverify.verification.objective import cost

TrialState = Literal["running", "completed", "pruned", "failed"]
Then = Literal["continue", "pruned", "completed"]


@dataclass
class Trial:
    """One trial as the journal tells it."""

    number: int
    values: dict[str, Any]
    drawn_at: float
    state: TrialState = "running"
    cause: str | None = None
    ended_at: float | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    reported_at: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """The last epoch reported; 0 before the first."""
        return len(self.reports)

    def best(self, objective: str) -> tuple[int, float] | None:
        """Give epoch and value of the best report so far; None where the objective was never reported."""
        seen = [
            (cost(objective, metrics[objective]), epoch)
            for epoch, metrics in enumerate(self.reports, 1)
            if objective in metrics
        ]
        if not seen:
            return None
        _, epoch = min(seen)
        return epoch, self.reports[epoch - 1][objective]


class Judged(NamedTuple):
    """A trial with its best epoch and the objective's value there."""

    trial: Trial
    epoch: int
    value: float

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics of the best epoch."""
        return self.trial.reports[self.epoch - 1]


class Study(Protocol):
    """What draws values and is told how they did."""

    def draw(self, number: int) -> dict[str, Any] | None: ...  # noqa: D102
    def add(self, number: int, values: Mapping[str, Any]) -> None: ...  # noqa: D102
    def report(self, number: int, epoch: int, value: float) -> None: ...  # noqa: D102
    def end(self, number: int, state: str, value: float | None) -> None: ...  # noqa: D102


class Stopper(Protocol):
    """What stops bad trials early: see `rungs.Rungs`."""

    def stops(self, epoch: int, value: float) -> bool: ...  # noqa: D102


class SweepState:
    """Draws trials, takes their reports, and decides; each step is in the journal before anything follows from it."""

    def __init__(self, folder: Path, study: Study, stopper: Stopper | None, *, objective: str, epochs: int) -> None:
        """Read the journal in `folder`, if there is one, and bring study and stopper to the state that it tells."""
        self.objective, self.epochs = objective, epochs
        self.trials: list[Trial] = []
        #: Called with a trial after each change of it, the journal's line already written.
        self.listeners: list[Callable[[Trial], None]] = []
        self._study, self._stopper = study, stopper
        for entry in read_journal(folder):
            if entry["event"] == "drawn":
                study.add(entry["trial"], entry["values"])
            elif entry["event"] == "reported":
                self._stops(self.trials[entry["trial"]], entry["epoch"], entry["metrics"])
            self._apply(entry)
        self._journal = Journal(folder)

    def draw(self) -> Trial | None:
        """Open the next trial; None where the sampler has no more values."""
        number = len(self.trials)
        values = self._study.draw(number)
        if values is None:
            return None
        self._apply(self._journal.append("drawn", number, values=values))
        return self._changed(number)

    def report(self, number: int, epoch: int, metrics: Mapping[str, float]) -> Then:
        """Take in the metrics of one epoch and decide how the trial goes on; an epoch given again changes nothing.

        A trial without a finite objective has failed: it must not survive a rung because NaN compares with nothing.
        """
        trial = self.trials[number]
        if trial.state != "running":
            return "pruned" if trial.state == "failed" else trial.state
        if epoch <= trial.epoch:
            return "continue"
        if epoch != trial.epoch + 1:
            raise ValueError(f"trial {number} reported epoch {epoch} after epoch {trial.epoch}")
        if not isfinite(metrics.get(self.objective, float("nan"))):
            self.fail(number, f"epoch {epoch}: {self.objective} is not a number")
            return "pruned"
        stops = self._stops(trial, epoch, metrics)
        then: Then = "completed" if epoch >= self.epochs else "pruned" if stops else "continue"
        self._apply(self._journal.append("reported", number, epoch=epoch, metrics=dict(metrics), then=then))
        self._changed(number)
        return then

    def fail(self, number: int, cause: str) -> None:
        """Close a trial as failed; one that has ended already stays as it is."""
        if self.trials[number].state == "running":
            self._apply(self._journal.append("failed", number, cause=cause))
            self._changed(number)

    @property
    def running(self) -> list[Trial]:
        """The trials drawn and not ended."""
        return [trial for trial in self.trials if trial.state == "running"]

    def ranked(self) -> list[Judged]:
        """Give the trials that have a value, best first; of equals the earlier; failed ones last."""
        judged = [Judged(trial, *best) for trial in self.trials if (best := trial.best(self.objective))]
        return sorted(
            judged,
            key=lambda each: (each.trial.state == "failed", cost(self.objective, each.value), each.trial.number),
        )

    def best(self) -> Judged | None:
        """Give the first of the ranking; None while no trial but failed ones has a value."""
        first = next(iter(self.ranked()), None)
        return None if first is None or first.trial.state == "failed" else first

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def _stops(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> bool:
        if self._stopper is None:
            return False
        best = trial.best(self.objective)
        now = cost(self.objective, metrics[self.objective])
        value = min(now, cost(self.objective, best[1])) if best else now
        stops = self._stopper.stops(epoch, value)
        # The default is what everything is measured against: it always runs to the end.
        return stops and trial.number != 0

    def _apply(self, entry: Mapping[str, Any]) -> None:
        number = entry["trial"]
        if entry["event"] == "drawn":
            self.trials.append(Trial(number, dict(entry["values"]), entry["time"]))
            return
        trial = self.trials[number]
        if entry["event"] == "failed":
            self._end(trial, "failed", entry["time"], entry["cause"])
            return
        trial.reports.append(dict(entry["metrics"]))
        trial.reported_at.append(entry["time"])
        self._study.report(number, entry["epoch"], cost(self.objective, entry["metrics"][self.objective]))
        if entry["then"] != "continue":
            self._end(trial, entry["then"], entry["time"], None)

    def _end(self, trial: Trial, state: TrialState, at: float, cause: str | None) -> None:
        trial.state, trial.ended_at, trial.cause = state, at, cause
        best = trial.best(self.objective)
        self._study.end(trial.number, state, cost(self.objective, best[1]) if best else None)

    def _changed(self, number: int) -> Trial:
        trial = self.trials[number]
        for listener in self.listeners:
            listener(trial)
        return trial
