"""What the page tells: a sweep as its journal has it, and what a figure is beside its drawing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import plotly.graph_objects as go

from twinverify.reports.page.private import public_cause
from twinverify.reports.words import short_names
from twinverify.search.options import TuneOptions
from twinverify.search.past import trial_folder
from twinverify.search.planned import StoredSweep
from twinverify.search.record import Judged, Trial, TrialState
from twinverify.search.rungs import stopper_of
from twinverify.search.space import Space
from twinverify.search.state import SweepState
from twinverify.training.names import BEST
from twinverify.verification.intervals import Interval
from twinverify.verification.objective import higher_is_better
from twinverify.verification.ties import Difference


@dataclass(frozen=True)
class Evidence:
    """How sure the trials' values are.

    Attributes:
        intervals: the 95 % interval of the objective at the best epoch, of the trials whose scores were kept.
        tied: the trials that a paired comparison on the same families cannot tell from the best; itself left out.
        gain: the best's value less the default's, compared pair by pair; None where one of them has no scores.
    """

    intervals: Mapping[int, Interval] = field(default_factory=dict)
    tied: frozenset[int] = frozenset()
    gain: Difference | None = None


class Plot(NamedTuple):
    """One figure of the page.

    Attributes:
        name: what it is called in addresses and as a file.
        title: its heading.
        how: how to read it, in a sentence or two.
        figure: the drawing; None where there is nothing to draw.
        why_not: the reason then.
        half: whether it may stand beside another one.
    """

    name: str
    title: str
    how: str
    figure: go.Figure | None
    why_not: str = ""
    half: bool = False


class Face(NamedTuple):
    """One face of a pair: what it is called here, its pictures as data addresses, and their words."""

    name: str
    pictures: tuple[str, ...]
    alt: str


class Pair(NamedTuple):
    """Two faces that were told apart, or together, wrongly."""

    caption: str
    faces: tuple[Face, Face]


class PairGroup(NamedTuple):
    """Pairs of a kind."""

    title: str
    pairs: tuple[Pair, ...]


class Hardest(NamedTuple):
    """The hardest pairs, or the reason why there are none to show."""

    how: str = ""
    groups: tuple[PairGroup, ...] = ()
    why_not: str = ""


@dataclass(frozen=True)
class Sweep:
    """A sweep to draw, running or ended.

    Attributes:
        folder: where it lies.
        stored: what it was started with.
        space: what is drawn.
        state: its trials.
        evidence: how sure the trials' values are.
        is_running: whether a process runs it now.
    """

    folder: Path
    stored: StoredSweep
    space: Space
    state: SweepState
    evidence: Evidence = Evidence()
    is_running: bool = False

    @property
    def intervals(self) -> Mapping[int, Interval]:
        """The 95 % intervals of some trials' values."""
        return self.evidence.intervals

    @property
    def name(self) -> str:
        """The sweep's name: its folder's."""
        return self.folder.name

    @property
    def options(self) -> TuneOptions:
        """The keys that it was started with."""
        return self.stored.options

    @property
    def objective(self) -> str:
        """The metric that ranks the trials."""
        return self.state.objective

    @property
    def epochs(self) -> int:
        """Epochs of a trial that runs to the end."""
        return self.state.epochs

    @property
    def trials(self) -> list[Trial]:
        """All trials, in the order drawn."""
        return self.state.trials

    @cached_property
    def ranked(self) -> list[Judged]:
        """The trials with a value that did not fail, best first."""
        return [each for each in self.state.ranked() if each.trial.state != "failed"]

    @cached_property
    def judged(self) -> dict[int, Judged]:
        """The same by number."""
        return {each.trial.number: each for each in self.ranked}

    @property
    def best(self) -> Judged | None:
        """The first of the ranking."""
        return next(iter(self.ranked), None)

    @property
    def default(self) -> Judged | None:
        """Trial 0, the configuration that everything is measured against, once it has a value."""
        return self.judged.get(0)

    @property
    def better(self) -> str:
        """Which values of the objective are better, in a word."""
        return "higher" if higher_is_better(self.objective) else "lower"

    @property
    def rungs(self) -> tuple[int, ...]:
        """The epochs at which trials were compared and the worse stopped; none without early stopping."""
        stopper = stopper_of(self.options, self.epochs)
        return stopper.levels if stopper else ()

    @cached_property
    def names(self) -> dict[str, str]:
        """Dotted key of each drawn setting -> the short name that it has here."""
        return short_names(list(self.space.keys))

    @property
    def cache(self) -> Path:
        """Where synthetic faces lie."""
        return self.options.cache or self.folder.parent / ".cache"

    def checkpoint(self, trial: Trial) -> Path:
        """Give where a trial's best weights lie, if they were kept."""
        return trial_folder(self.folder, trial.number) / BEST

    def drawn(self, trial: Trial) -> dict[str, Any]:
        """Give a trial's drawn values under their short names."""
        return {self.names.get(key, key): value for key, value in trial.values.items()}

    def cause(self, trial: Trial) -> str:
        """Give why a trial failed, or nothing; in words that may be passed on."""
        return public_cause(trial.cause or "")

    def in_state(self, state: TrialState) -> list[Trial]:
        """Give the trials of one state."""
        return [trial for trial in self.trials if trial.state == state]
