"""Replays a journal: a fresh study must draw the very values that it holds, fresh rungs take the very decisions.

Each draw is a function of the seed, the trial's number and what the study was told before, and each decision one of the
reports before it; so a replay in the journal's order gives the same, whatever was interrupted and however many slots
there were.
"""

import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from twinverify.search.audit.difference import Difference
from twinverify.search.planned import StoredSweep
from twinverify.search.rungs import stopper_of
from twinverify.search.space import parse_space
from twinverify.search.state import Study
from twinverify.search.stored import KnownSweep
from twinverify.yaml12 import spelled

Event = Mapping[str, Any]
Values = Mapping[str, Any]
#: Stands for the value of a setting that does not exist.
_NONE: Final = "nothing"


class Redraw:
    """The study of a sweep, which draws again what the journal tells.

    With TPE it ends at the first draw that differs: each later one depends on it.
    """

    def __init__(self, known: KnownSweep, told: Callable[[int], None]) -> None:
        """Begin anew; `told` hears of each trial before its draw: the five hundredth of TPE takes 20 ms."""
        from twinverify.search.study import SweepStudy  # Optuna takes a third of a second to import

        options = known.sweep.options
        space = parse_space(known.space, Path(options.space or "space"), known.sweep.config)
        #: What was drawn in place of the journal's values, by trial; None where no more could be drawn.
        self.differing: dict[int, Values | None] = {}
        self._study: Study = SweepStudy(space, options.sampler, options.seed, repeats=options.repeats)
        #: Whether a draw depends on what the study was told before.
        self.all_depend = options.sampler == "tpe"
        self._told = told

    def draw(self, number: int) -> None:
        """Draw nothing new."""

    def add(self, number: int, values: Values) -> None:
        """Draw a trial, and note the values where they are not those of the journal."""
        if self._ended:
            return
        self._told(number)
        again = self._study.draw(number)
        # As they come back from the journal.
        if json.loads(json.dumps(again)) != values:
            self.differing[number] = again

    def report(self, number: int, epoch: int, value: float) -> None:
        """Tell the study."""
        if self._knows(number):
            self._study.report(number, epoch, value)

    def end(self, number: int, state: str, value: float | None) -> None:
        """Tell the study."""
        if self._knows(number):
            self._study.end(number, state, value)

    @property
    def _ended(self) -> bool:
        return self.all_depend and bool(self.differing)

    def _knows(self, number: int) -> bool:
        has_no_more = number in self.differing and self.differing[number] is None
        return not self._ended and not has_no_more


class Restop:
    """The stopper of a sweep, which decides again; notes in what order it said what."""

    def __init__(self, stored: StoredSweep) -> None:
        """Begin anew."""
        self.said: list[bool] = []
        self._stopper = stopper_of(stored.options, stored.config.train.epochs)

    def stops(self, epoch: int, value: float) -> bool:
        """Decide."""
        self.said.append(self._stopper is not None and self._stopper.stops(epoch, value))
        return self.said[-1]


def audit_replay(
    events: Sequence[Event], redraw: Redraw, restop: Restop, epochs: int, spared: Container[int] = ()
) -> tuple[list[Difference], list[Difference]]:
    """Give the draws and the decisions of a sound journal that a replay did not repeat.

    Args:
        events: the journal's lines.
        redraw: the study that the journal was replayed to.
        restop: the stopper that it was replayed to.
        epochs: those of a full trial.
        spared: the trials that are let run where the stopper would stop them.
    """
    draws: list[Difference] = []
    decisions: list[Difference] = []
    said = iter(restop.said)
    running_on: set[int] = set()
    for line, event in enumerate(events, 1):
        # Other decisions left other trials open, and with TPE every later draw depends on that.
        if event["event"] == "drawn" and not (decisions and redraw.all_depend):
            draws += _draw(line, event, redraw)
        elif event["event"] == "reported":
            number = event["trial"]
            # Of one that was spared nobody is asked any more. None: the journal ended there when it was replayed.
            stops = False if number in running_on else next(said, None)
            is_spared = bool(stops and number and number in spared)
            decisions += [] if stops is None else _decision(line, event, epochs, stops=stops, is_spared=is_spared)
            running_on |= {number} if event.get("spared") else set()
    return draws, decisions


def _draw(line: int, event: Event, redraw: Redraw) -> Iterator[Difference]:
    number = event["trial"]
    if number not in redraw.differing:
        return
    where, again = f"line {line}, trial {number}", redraw.differing[number]
    if again is None:
        yield Difference("journal", "orphaned", where, "no more draws, as in a replay", "a draw", number)
        return
    for key in dict.fromkeys([*again, *event["values"]]):
        expected, found = _written(again, key), _written(event["values"], key)
        if expected != found:
            told = f"{expected} as a replay draws it"
            yield Difference("journal", "altered", f"{where}, {key}", told, found, number)


def _decision(line: int, event: Event, epochs: int, *, stops: bool, is_spared: bool) -> Iterator[Difference]:
    number, epoch = event["trial"], event["epoch"]
    # The default runs to the end whatever the rungs say.
    then = "completed" if epoch >= epochs else "pruned" if stops and number and not is_spared else "continue"
    expected, found = _told(then, is_spared), _told(event["then"], bool(event.get("spared")))
    if expected != found:
        where = f"line {line}, trial {number}, decision after epoch {epoch}"
        yield Difference("journal", "altered", where, f"{expected} as a replay decides", found, number)


def _told(then: str, is_spared: bool) -> str:
    return f"{then}, spared" if is_spared else then


def _written(values: Values, key: str) -> str:
    value = values.get(key, _NONE)
    return repr(value) if isinstance(value, float) else spelled(value)
