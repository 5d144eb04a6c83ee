"""The state of a sweep: its trials, drawn, reported and ended. Knows nothing of Ray or MLflow.

Every change is an event of the journal, taken in by `_apply` alone; so a sweep that goes on after a crash is in the
very state of one that was never interrupted.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from sys import intern
from typing import Any, Protocol

from twinverify.errors import UserError
from twinverify.search.journal import FILE_NAME, Journal, read_journal
from twinverify.search.record import Judged, Then, Trial, TrialState
from twinverify.verification.objective import cost

__all__ = ["Judged", "Stopper", "Study", "SweepState", "Then", "Trial", "TrialState"]


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

    def __init__(
        self,
        folder: Path,
        study: Study,
        stopper: Stopper | None,
        *,
        objective: str,
        epochs: int,
        spared: Container[int] = (),
    ) -> None:
        """Read the journal in `folder`, if there is one, and bring study and stopper to the state that it tells.

        Nothing is written before the first change.

        Args:
            folder: the sweep's.
            study: draws, and is told.
            stopper: says who stops; None = nobody.
            objective: the metric that trials are judged by.
            epochs: of a trial that runs to its end.
            spared: the numbers of the trials that are let run where the stopper would stop them.

        Raises:
            UserError: the journal is damaged elsewhere than at its end.
        """
        self.objective, self.epochs = objective, epochs
        self.trials: list[Trial] = []
        #: Called with a trial after each change of it, the journal's line already written.
        self.listeners: list[Callable[[Trial], None]] = []
        self._study, self._stopper, self._spared = study, stopper, spared
        self._folder = folder
        self._journal: Journal | None = None
        self._planned: Mapping[str, Any] | None = None
        for line, entry in enumerate(read_journal(folder), 1):
            with _damage_told(f"{folder / FILE_NAME}, line {line}"):
                if not self._replay(entry):
                    raise ValueError

    def plan(self, sweep: Mapping[str, Any], space: str) -> None:
        """Note what the sweep is to do, unless the journal's last plan says the same.

        Args:
            sweep: what `sweep.yaml` shows; JSON types only.
            space: the text of `space.yaml`.

        Raises:
            UserError: the journal is another sweep's; it cannot be written.
        """
        before = self._planned
        if before is not None and before["sweep"]["sweep_id"] != sweep["sweep_id"]:
            raise UserError(
                f"{self._folder}: another process has started a sweep here just now; give the command again to continue"
                " that one, or name=… to start another"
            )
        if before is None or (before["sweep"], before["space"]) != (sweep, space):
            self._planned = self._append("planned", sweep=dict(sweep), space=space)

    def draw(self) -> Trial | None:
        """Open the next trial; None where the sampler has no more values."""
        number = len(self.trials)
        values = self._study.draw(number)
        if values is None:
            return None
        self._apply(self._append("drawn", number, values=values))
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
        is_spared = stops and number in self._spared
        then: Then = "completed" if epoch >= self.epochs else "pruned" if stops and not is_spared else "continue"
        told = {"spared": True} if is_spared else {}
        self._apply(self._append("reported", number, epoch=epoch, metrics=dict(metrics), then=then, **told))
        self._changed(number)
        return then

    def fail(self, number: int, cause: str) -> None:
        """Close a trial as failed; one that has ended already stays as it is."""
        if self.trials[number].state == "running":
            self._apply(self._append("failed", number, cause=cause))
            self._changed(number)

    @property
    def running(self) -> list[Trial]:
        """The trials drawn and not ended."""
        return [trial for trial in self.trials if trial.state == "running"]

    def ranked(self, among: Iterable[Trial] | None = None) -> list[Judged]:
        """Give the trials that have a value, best first; of equals the earlier; failed ones last.

        Args:
            among: only these; None for all.
        """
        return sorted(self._judged(self.trials if among is None else among), key=self._place)

    def best(self) -> Judged | None:
        """Give the first of the ranking; None while no trial but failed ones has a value."""
        first = min(self._judged(self.trials), key=self._place, default=None)
        return None if first is None or first.trial.state == "failed" else first

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _judged(self, trials: Iterable[Trial]) -> Iterator[Judged]:
        return (Judged(trial, *best) for trial in trials if (best := trial.best(self.objective)))

    def _place(self, each: Judged) -> tuple[bool, float, int]:
        return each.trial.state == "failed", cost(self.objective, each.value), each.trial.number

    def _append(self, event: str, trial: int | None = None, **facts: Any) -> dict[str, Any]:
        if self._journal is None:
            self._journal = Journal(self._folder)
        return self._journal.append(event, trial, **facts)

    def _replay(self, entry: Mapping[str, Any]) -> bool:
        """Take in an event of the journal; False where it cannot have happened after those before it."""
        event, number = entry["event"], entry.get("trial", -1)
        if event == "planned":
            self._planned = entry
            return True
        if event == "drawn" and number == len(self.trials):
            self._study.add(number, entry["values"])
            self._apply(entry)
            return True
        if event not in ("reported", "failed") or number not in range(len(self.trials)):
            return False
        trial = self.trials[number]
        epoch = entry.get("epoch", trial.epoch + 1)
        # One report written twice takes nothing away; one that is missing does.
        if trial.state == "running" and epoch == trial.epoch + 1:
            if event == "reported":
                self._stops(trial, epoch, entry["metrics"])
            self._apply(entry)
        return bool(epoch <= trial.epoch + 1)

    def _stops(self, trial: Trial, epoch: int, metrics: Mapping[str, float]) -> bool:
        # One that was spared enters no later rung: the others are judged as if it had been stopped.
        if self._stopper is None or trial.spared_at is not None:
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
        # Each report comes with names of its own: 17 a report, these would be 40 MB after 40,000 reports.
        trial.reports.append({intern(name): value for name, value in entry["metrics"].items()})
        trial.reported_at.append(entry["time"])
        trial.spared_at = entry["epoch"] if entry.get("spared") else trial.spared_at
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


@contextmanager
def _damage_told(where: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{where}: does not follow from the lines before it; restore the file from a copy") from error
