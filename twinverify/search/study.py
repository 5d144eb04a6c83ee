"""The Optuna study of a sweep: told the truth about every trial, and made anew from the journal at every start."""

import hashlib
import warnings
from collections.abc import Mapping
from itertools import islice
from typing import Any, Literal

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from twinverify.search.space import Space

SamplerName = Literal["tpe", "random", "grid"]
#: How a trial that ended stands in Optuna. TPE ranks PRUNED trials by (step, value) and passes over FAIL.
END_STATES = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

optuna.logging.set_verbosity(optuna.logging.ERROR)


class SweepStudy:
    """Draws values and takes reports; trial numbers are Optuna's own, from 0 without a gap.

    Every draw uses a sampler seeded anew from (sweep seed, trial number), so no sampler has a state that a crash
    could lose.
    """

    def __init__(self, space: Space, sampler: SamplerName, seed: int) -> None:
        """Make an empty study, in memory; smaller values are better."""
        # A list of configurations is gone through in its order, as a grid is.
        self._space, self._sampler, self._seed = space, "grid" if space.rows else sampler, seed
        self._study = optuna.create_study(direction="minimize")
        self._open: dict[int, optuna.Trial] = {}
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
        self._study.sampler = make_sampler(self._sampler, self._seed, number)
        trial = self._study.ask()
        self._open[number] = trial
        values = self._space.draw(trial)
        # TPE's constant liar goes by this note of an open trial, which also has settings that the trial has not, and
        # which one that the journal tells of lacks; without it, it goes by the trial's parameters.
        self._study._storage.set_trial_system_attr(trial._trial_id, "tpe:relative_params:0", "")
        return values

    def add(self, number: int, values: Mapping[str, Any]) -> None:
        """Open a trial whose values are given: the default, a grid point, or one that the journal knows."""
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
        """The study's own view of its trials."""
        return self._study.get_trials(deepcopy=False)


def make_sampler(name: SamplerName, seed: int, number: int) -> BaseSampler:
    """Give the sampler for one draw."""
    digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
    draw_seed = int.from_bytes(digest[:4], "big")
    if name == "random":
        return RandomSampler(seed=draw_seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # multivariate and group are "experimental" by name only
        # group: conditional parameters are modelled together where they exist, instead of independently.
        return TPESampler(seed=draw_seed, multivariate=True, group=True, n_startup_trials=8, constant_liar=True)
