"""The peer of `replay.py`: Ray's own classes, with the defaults that a plain script has."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search.optuna import OptunaSearch
from search_ours import OBJECTIVE

from twinverify.search.space import Space

Drawn = tuple[int, Mapping[str, Any]]


class Plain:
    """Ray's `OptunaSearch` and `ASHAScheduler` with their defaults, fed as Tune feeds them; the default goes first."""

    def __init__(self, space: Space, epochs: int, seed: int, **rungs: Any) -> None:
        """Set both up; `rungs` go to the scheduler."""
        first, _ = space.parameters(space.default_values())
        self._space, self._values, self._count = space, {}, 0
        self._search = OptunaSearch(self._define, metric=OBJECTIVE, mode="min", seed=seed, points_to_evaluate=[first])
        self._scheduler = ASHAScheduler(metric=OBJECTIVE, mode="min", max_t=epochs, **rungs)
        self._trials: dict[int, Any] = {}

    def _define(self, trial: Any) -> None:
        self._values = self._space.draw(trial)

    def draw(self) -> Drawn | None:
        """Open the next trial."""
        number = self._count
        self._count += 1
        self._search.suggest(str(number))
        self._trials[number] = SimpleNamespace(trial_id=str(number))
        self._scheduler.on_trial_add(None, self._trials[number])
        return number, self._values

    def report(self, number: int, epoch: int, cost: float) -> bool:
        """Take in one epoch, and say whether the trial goes on."""
        result = {OBJECTIVE: cost, "training_iteration": epoch}
        decision = self._scheduler.on_trial_result(None, self._trials[number], result)
        if decision == TrialScheduler.CONTINUE:
            self._search.on_trial_result(str(number), result)
            return True
        self._search.on_trial_complete(str(number), result)
        return False
