"""Optuna's TPE, which draws the same values in a fraction of the time: what it asks of the trials is kept, not reread.

A sampler that is seeded anew for every draw knows nothing of the trials, and Optuna's reads all of them again for every
group of settings: at 1,000 trials of the space `full` that was 300 ms a draw, of which 60 ms are the search itself.
"""

import math
import warnings
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.sampler import default_gamma
from optuna.search_space.group_decomposed import _SearchSpaceGroup
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

#: So many trials have to be judged before a draw goes by them.
_AT_RANDOM: Final = 8
#: Of Optuna's `TPESampler`. group: conditional parameters are modelled together where they exist, instead of
#: independently.
OPTIONS: Final[dict[str, Any]] = {
    "multivariate": True,
    "group": True,
    "n_startup_trials": _AT_RANDOM,
    "constant_liar": True,
}

Rows = NDArray[np.float64]


class History:
    """What TPE asks of the trials of one study; a trial is read once, when it has ended.

    The values stand in a table: a row a completed or pruned trial, in the order of their numbers, a column a
    parameter, in Optuna's internal form; NaN where a trial does not have it.
    """

    def __init__(self) -> None:
        """Know of no trial."""
        self._seen, self.open = 0, list[FrozenTrial]()
        self._ended: list[FrozenTrial] = []
        self._numbers: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._columns: dict[str, int] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._values: Rows = np.empty((0, 0))
        # One row a trial; the smallest is the best.
        self._ranks: Rows = np.empty((0, 3))
        self._groups = _SearchSpaceGroup()

    def __len__(self) -> int:
        """Give how many trials are judged."""
        return len(self._ended)

    def calculate(self, study: Study, use_cache: bool = False) -> _SearchSpaceGroup:
        """Give the settings in groups that exist together, as Optuna's `_GroupDecomposedSearchSpace` does."""
        del use_cache
        self.catch_up(study)
        return self._groups

    def catch_up(self, study: Study) -> None:
        """Take in what has happened since the last time."""
        trials = study.get_trials(deepcopy=False)
        changed = [trials[trial.number] for trial in self.open] + trials[self._seen :]
        self._seen = len(trials)
        self.open = [trial for trial in changed if not trial.state.is_finished()]
        ended = [trial for trial in changed if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
        if ended:
            self._take(ended)
            self._groups = _groups_of(self._ended)

    def split(self, open_trials: list[tuple[int, dict[str, Any]]]) -> tuple[Rows, Rows]:
        """Give the table's rows of the good trials and of the others, each in the order of the trials' numbers.

        Args:
            open_trials: number and parameters of those that have not ended; they count as bad.
        """
        good = np.zeros(len(self), dtype=bool)
        good[np.lexsort(self._ranks.T[::-1])[: default_gamma(len(self))]] = True
        bad = self._values[~good]
        if open_trials:
            order = np.argsort(np.append(self._numbers[~good], [number for number, _ in open_trials]))
            bad = np.vstack([bad, *(self._row(params)[np.newaxis] for _, params in open_trials)])[order]
        return self._values[good], bad

    def observed(self, rows: Rows, space: dict[str, BaseDistribution]) -> dict[str, Rows]:
        """Give the values of some parameters, of those rows that have all of them."""
        columns = [self._columns.get(name, -1) for name in space]
        if -1 in columns:
            return {name: np.empty(0) for name in space}
        found = rows[:, columns]
        found = found[~np.isnan(found).any(axis=1)]
        return {name: found[:, column] for column, name in enumerate(space)}

    def know(self, trial: FrozenTrial) -> None:
        """Have columns for a trial's parameters."""
        for name, distribution in trial.distributions.items():
            self._distributions.setdefault(name, distribution)
            self._columns.setdefault(name, len(self._columns))
        missing = len(self._columns) - self._values.shape[1]
        if missing:
            self._values = np.pad(self._values, ((0, 0), (0, missing)), constant_values=np.nan)

    def _take(self, ended: list[FrozenTrial]) -> None:
        for trial in ended:
            self.know(trial)
        self._ended += ended
        self._values = np.vstack([self._values, *(self._row(trial.params)[np.newaxis] for trial in ended)])
        self._ranks = np.vstack([self._ranks, *(_rank(trial) for trial in ended)])
        numbers = np.append(self._numbers, [trial.number for trial in ended])
        order = np.argsort(numbers)
        self._ended, self._numbers = [self._ended[place] for place in order], numbers[order]
        self._values, self._ranks = self._values[order], self._ranks[order]

    def _row(self, params: dict[str, Any]) -> Rows:
        row = np.full(len(self._columns), np.nan)
        for name, value in params.items():
            row[self._columns[name]] = self._distributions[name].to_internal_repr(value)
        return row


class SharingTPESampler(TPESampler):
    """Draws what a `TPESampler` of these options draws, to the last digit; for one draw.

    Takes the place of two of its methods: a newer Optuna has to draw the same as before in `test_tpe.py`.
    """

    def __init__(self, history: History, seed: int) -> None:
        """Draw by `history`, the same for all draws of a study."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # multivariate and group are "experimental" by name only
            super().__init__(seed=seed, **OPTIONS)
        self._history = history
        self._group_decomposed_search_space: Any = history
        self._rows: tuple[Rows, Rows] | None = None

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sample(study, trial, search_space) if search_space and len(self._history) >= _AT_RANDOM else {}

    def _sample(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        history = self._history
        if self._rows is None:
            others = [other for other in history.open if other.number != trial.number]
            for other in others:
                history.know(other)
            self._rows = history.split([(other.number, self._get_params(other, study)) for other in others])
        below, above = (
            self._parzen_estimator_cls(
                history.observed(rows, search_space), search_space, self._parzen_estimator_parameters
            )
            for rows in self._rows
        )
        candidates = below.sample(self._rng.rng, self._n_ei_candidates)
        best = self._compare(candidates, self._compute_acquisition_func(candidates, below, above))
        return {name: domain.to_external_repr(best[name]) for name, domain in search_space.items()}


def _rank(trial: FrozenTrial) -> tuple[int, float, float]:
    """Give what TPE orders trials by: completed ones by value, then pruned ones, those that came furthest first."""
    if trial.state == TrialState.COMPLETE:
        assert trial.value is not None
        return 0, trial.value, 0.0
    if not trial.intermediate_values:
        return 1, 1, 0.0
    step, value = max(trial.intermediate_values.items())
    return 1, -step, math.inf if math.isnan(value) else value


def _groups_of(trials: list[FrozenTrial]) -> _SearchSpaceGroup:
    """Split the parameters into groups, in the order that all trials one by one would give."""
    groups, seen, known = _SearchSpaceGroup(), set[frozenset[str]](), frozenset[str]()
    parts: list[frozenset[str]] = []
    for trial in trials:
        keys = frozenset(trial.distributions)
        if keys in seen:
            continue
        seen.add(keys)
        # One that splits no group and brings nothing new leaves all as it is: so do nearly all of a thousand.
        if keys <= known and all(part <= keys or part.isdisjoint(keys) for part in parts):
            continue
        groups.add_distributions(trial.distributions)
        known |= keys
        parts = [frozenset(space) for space in groups.search_spaces]
    return groups
