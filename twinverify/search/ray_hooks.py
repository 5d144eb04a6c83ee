"""What stands between Ray Tune and our state: hands on what is drawn, reported and decided, and notes the deaths."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.tune import Callback
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from twinverify.errors import UserError
from twinverify.search.causes import cause_of_death
from twinverify.search.deaths import Deaths
from twinverify.search.ray_ends import Aborted, AllDone, RayDied
from twinverify.search.ray_server import dead_server, logs_folder
from twinverify.search.state import SweepState, Trial
from twinverify.search.trial import TrialTask


class StateSearcher(Searcher):
    """Hands Ray the trials to run: first those that an interrupted sweep left open, then new ones."""

    def __init__(
        self,
        state: SweepState,
        task: Callable[[Trial], TrialTask],
        deaths: Deaths,
        *,
        trials: int,
        slots: int,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Hold no more than `slots` trials out at once and `trials` in all, and draw none once there is `enough`."""
        super().__init__(metric=state.objective, mode="min")
        self._state, self._task, self._deaths, self._trials, self._slots = state, task, deaths, trials, slots
        self._open = list(state.running)
        self._out: dict[str, int] = {}
        self._enough = enough

    def suggest(self, trial_id: str) -> Any:
        """Give the next trial's task, or None while there is none to give yet.

        Raises:
            AllDone: there is none to come.
        """
        # Ray would ask ahead of free slots; a draw has to know the results before it, or resume could not repeat it.
        if len(self._out) >= self._slots:
            return None
        with _carried():
            trial = self._open.pop(0) if self._open else self._draw()
            if trial is None:
                if self._out:  # one of them may yet come back
                    return None
                raise AllDone
            self._out[trial_id] = trial.number
            return dict(self._task(trial))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Free the slot; a trial whose worker has died goes on in another, unless that happened too often."""
        number = self._out.pop(trial_id, None)
        if number is None or not error or self._state.trials[number].state != "running":
            return
        with _carried():
            if self._deaths.too_many(number):
                self._state.fail(number, self._deaths.verdict(number))
            else:
                self._open.insert(0, self._state.trials[number])

    def save(self, checkpoint_path: str) -> None:
        """Leave a file behind, which Ray wants; the state is in the journal."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: the journal has it."""

    def _draw(self) -> Trial | None:
        drawn = len(self._state.trials)
        # However short the time: the default is always tried.
        if drawn >= self._trials or (drawn and self._enough()):
            return None
        return self._state.draw()


class StateScheduler(FIFOScheduler):
    """Passes each result to the state, and the state's decision to Ray."""

    def __init__(
        self,
        state: SweepState,
        deaths: Deaths,
        measured: Callable[[int, str | None], Mapping[str, float]] = lambda *_: {},
    ) -> None:
        """Ask `state` at every result, and note what happens to workers in `deaths`.

        `measured` adds to a report what else is to be told, by the trial's number and the id of its GPU.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self._state, self._deaths, self._measured = state, deaths, measured

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Leave the order to Ray's queue.

        FIFO's choice would give a worker that is free to a trial whose own is just coming up, and end that one: where
        trials are short, a slot might never get a worker. And it looks through all trials, several times a second.
        """

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Record the epoch; stop when the trial is completed, pruned or failed."""
        self._deaths.reported()
        with _carried():
            if "sweep_stops" in result:
                raise UserError(result["sweep_stops"])
            return self._decide(trial.config["trial"], result)

    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        """Note a worker's death."""
        check_servers()
        if self._state.trials[trial.config["trial"]].state != "running":
            return
        with _carried():
            self._deaths.add(trial.config["trial"], cause_of_death(_told_of(trial), logs_folder()))

    def _decide(self, number: int, result: dict[str, Any]) -> str:
        if "failed" in result:
            self._state.fail(number, result["failed"])
            return TrialScheduler.STOP
        metrics = {
            name.removeprefix("metrics/"): value for name, value in result.items() if name.startswith("metrics/")
        }
        if result["epoch"] > self._state.trials[number].epoch:  # not one that is told again
            metrics |= self._measured(number, result.get("gpu"))
        then = self._state.report(number, result["epoch"], metrics)
        return TrialScheduler.CONTINUE if then == "continue" else TrialScheduler.STOP


class Actors:
    """Gives Tune a trial's class as an actor that any worker will do for.

    Tune's own asks for a few environment variables, which our workers have from the start. For Ray that is another
    environment: the workers that it has started, and that have loaded all by then, would be thrown away for new ones.
    """

    def __init__(self) -> None:
        """Know none."""
        self._made: dict[type, Any] = {}

    def get(self, trainable: type) -> Any:
        """Give the class as an actor."""
        if trainable not in self._made:
            self._made[trainable] = ray.remote(trainable)
        return self._made[trainable]


class Pulse(Callback):
    """Feels several times a second whether Ray's servers live, and notes that workers come up."""

    def __init__(self, deaths: Deaths) -> None:
        """Note workers in `deaths`."""
        self._deaths = deaths

    def on_step_begin(self, iteration: int, trials: Any, **info: Any) -> None:
        """Take the pulse."""
        check_servers()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """Note that a worker is there."""
        self._deaths.started()


def check_servers() -> None:
    """Raise `RayDied` if one of Ray's servers has died."""
    dead = dead_server()
    if dead:
        raise RayDied(dead)


def _told_of(trial: RayTrial) -> str:
    """Give what Ray has noted of the deaths of a trial's workers; `get_error` looks where the file is moved later."""
    try:
        return Path(trial.error_file or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@contextmanager
def _carried() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise Aborted(error) from error
