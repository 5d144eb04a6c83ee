"""Audits the journal by itself: whether what it tells can have happened, one event after the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from twinverify.search.audit.difference import Difference, Kind

_THENS: Final = ("continue", "pruned", "completed")


def audit_events(events: Iterable[Mapping[str, Any]], objective: str) -> list[Difference]:
    """Give what is wrong with the order and the content of a journal's events.

    Trials are numbered from 0 without a gap; the epochs of each from 1 without gap or repeat, the objective of each a
    finite number; nothing follows a trial's end. Of each trial the first fault is told, the rest follows from it.

    Args:
        events: the journal's lines in their order.
        objective: the metric that each report must have.
    """
    seen = _Seen(objective)
    faulty: set[int] = set()
    differences = []
    for line, event in enumerate(events, 1):
        trial = event.get("trial")
        if event["event"] == "planned" or (isinstance(trial, int) and trial in faulty):
            continue
        if not isinstance(trial, int) or not isinstance(event["time"], int | float):
            told = f"trial {trial} at time {event['time']}"
            differences.append(Difference("journal", "altered", f"line {line}", "a trial's number and a time", told))
            continue
        fault = seen.take(event["event"], trial, event)
        if fault is not None:
            kind, expected, found = fault
            faulty.add(trial)
            differences.append(Difference("journal", kind, f"line {line}, trial {trial}", expected, found, trial))
    return differences


@dataclass
class _Seen:
    """What the events so far tell."""

    objective: str
    drawn: int = 0
    epochs: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)

    def take(self, kind: str, trial: int, event: Mapping[str, Any]) -> tuple[Kind, str, str] | None:
        """Take in one event; where it cannot have happened: in which way, what was expected, what found."""
        if kind == "drawn":
            return self._draw(trial, event)
        if kind not in ("reported", "failed"):
            return "altered", "drawn, reported or failed", str(kind)
        if trial not in self.epochs:
            return "lost", "the trial to be drawn before", f"that it {kind}"
        if trial in self.ended:
            return "repeated", "nothing after the trial's end", f"that it {kind}"
        if kind == "failed":
            self.ended.add(trial)
            return None if isinstance(event.get("cause"), str) else ("altered", "the cause of the failure", "none")
        return self._report(trial, event)

    def _draw(self, trial: int, event: Mapping[str, Any]) -> tuple[Kind, str, str] | None:
        if trial in self.epochs:
            return "repeated", "it to be drawn once", "that it is drawn again"
        before, self.drawn = self.drawn, trial + 1
        self.epochs[trial] = 0
        if trial != before:
            return "lost", f"trial {before} to be drawn next", f"trial {trial}"
        return None if isinstance(event.get("values"), dict) else ("altered", "its values", "none")

    def _report(self, trial: int, event: Mapping[str, Any]) -> tuple[Kind, str, str] | None:
        epoch, wanted = event.get("epoch"), self.epochs[trial] + 1
        if epoch != wanted:
            is_again = isinstance(epoch, int) and epoch < wanted
            return "repeated" if is_again else "lost", f"epoch {wanted}", f"epoch {epoch}"
        metrics = event.get("metrics")
        value = metrics.get(self.objective) if isinstance(metrics, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return "altered", f"a finite {self.objective} at epoch {epoch}", str(value)
        if event.get("then") not in _THENS:
            return "altered", f"one of {', '.join(_THENS)} at epoch {epoch}", str(event.get("then"))
        self.epochs[trial] = wanted
        if event["then"] != "continue":
            self.ended.add(trial)
        return None
