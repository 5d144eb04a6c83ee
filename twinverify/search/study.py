"""The Optuna study of a sweep: told the truth about every trial, and made anew from the journal at every start."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Literal

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from twinverify.search.space import Space
from twinverify.search.tpe import History, SharingTPESampler

SamplerName = Literal["tpe", "random", "grid"]
#: How a trial that ended stands in Optuna. TPE ranks PRUNED trials by (step, value) and passes over FAIL.
END_STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
#: So often a configuration that was drawn before is drawn anew: first by the search's sampler, then at random, since
#: TPE may see nothing better than the one it has. After that the space counts as exhausted.
_TRIES: Final = 8
_TRIES_AT_RANDOM: Final = 16

optuna.logging.set_verbosity(optuna.logging.ERROR)


class SweepStudy:
    """Draws values and takes reports.

    Every draw uses a sampler seeded anew from (sweep seed, trial number), so no sampler has a state that a crash
    could lose. A configuration that was drawn already would be the same training once more, to the last digit: it is
    drawn anew. What was thrown away stays in Optuna as failed, which its samplers pass over, so a study that is made
    from a journal and has none of it draws the same.
    """

    def __init__(self, space: Space, sampler: SamplerName, seed: int, *, repeats: bool = False) -> None:
        """Make an empty study, in memory; smaller values are better. `repeats`: let configurations be drawn again."""
        # A list of configurations is gone through in its order, as a grid is.
        self._space, self._sampler, self._seed = space, "grid" if space.rows else sampler, seed
        self._study = optuna.create_study(direction="minimize")
        # Spares a draw the reading of all trials; not what a draw depends on.
        self._history = History()
        self._open: dict[int, optuna.Trial] = {}
        self._repeats = repeats
        self._drawn: set[str] = set()
        self._thrown_away: set[int] = set()
        # Point by point: a wide space's grid is larger than any memory.
        self._points = space.grid()
        self._grid: list[dict[str, Any]] = []

    def draw(self, number: int) -> dict[str, Any] | None:
        """Give the values of trial `number`, or None where a grid has no more points; trial 0 is the default."""
        if number == 0:
            values = self._space.default_values()
            self.add(number, values)
            return values
        if self._sampler == "grid":
            self._grid += islice(self._points, max(0, number - len(self._grid)))
            if number > len(self._grid):
                return None
            values = self._grid[number - 1]
            self.add(number, values)
            return values
        trial, values = self._new(number)
        self._drawn.add(_told(values))
        self._open[number] = trial
        # TPE's constant liar goes by this note of an open trial, which also has settings that the trial has not, and
        # which one that the journal tells of lacks; without it, it goes by the trial's parameters.
        self._study._storage.set_trial_system_attr(trial._trial_id, "tpe:relative_params:0", "")
        return values

    def _new(self, number: int) -> tuple[optuna.Trial, dict[str, Any]]:
        """Draw values that no trial has, as long as there seem to be such."""
        tries = 1 if self._repeats else _TRIES + _TRIES_AT_RANDOM
        repeats = []
        for attempt in range(tries):
            sampler = self._sampler if attempt < _TRIES else "random"
            self._study.sampler = make_sampler(sampler, draw_seed(self._seed, number, attempt), self._history)
            trial = self._study.ask()
            values = self._space.draw(trial)
            if attempt == tries - 1 or _told(values) not in self._drawn:
                break
            # Open till the draw is done: the constant liar leads TPE away from it.
            repeats.append(trial)
        for repeat in repeats:
            self._study.tell(repeat, state=TrialState.FAIL)
            self._thrown_away.add(repeat.number)
        return trial, values

    def add(self, number: int, values: Mapping[str, Any]) -> None:
        """Open a trial whose values are given: the default, a grid point, or one that the journal knows."""
        self._drawn.add(_told(values))
        params, distributions = self._space.parameters(values)
        self._study.add_trial(
            optuna.trial.create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
        )
        self._open[number] = optuna.Trial(self._study, self._study.get_trials(deepcopy=False)[-1]._trial_id)

    def report(self, number: int, epoch: int, value: float) -> None:
        """Take in one epoch's value (smaller is better)."""
        self._open[number].report(value, epoch)

    def end(self, number: int, state: str, value: float | None) -> None:
        """Close a trial as completed with its value, pruned (its reports stay), or failed."""
        trial = self._open.pop(number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._study.tell(trial, value if state == "completed" else None, state=END_STATES[state])

    @property
    def trials(self) -> list[FrozenTrial]:
        """The study's own view of its trials, in the order of their numbers."""
        return [trial for trial in self._study.get_trials(deepcopy=False) if trial.number not in self._thrown_away]


def make_sampler(name: SamplerName, seed: int, history: History) -> BaseSampler:
    """Give the sampler for one draw; `history` is the study's."""
    return RandomSampler(seed=seed) if name == "random" else SharingTPESampler(history, seed)


def draw_seed(seed: int, number: int, attempt: int = 0) -> int:
    """Give the seed of a trial's draw, or of the next attempt at it."""
    digest = hashlib.sha256(f"{seed}/{number}{f'/{attempt}' if attempt else ''}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def _told(values: Mapping[str, Any]) -> str:
    """Give a text that two draws share where they are the same training."""
    return json.dumps(values, sort_keys=True)
