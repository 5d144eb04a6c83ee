"""Ray Tune as the one who runs trials: it asks our state what to draw and when to stop, and decides nothing itself."""

import logging
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback
from ray.tune.error import TuneError
from ray.tune.experiment import Trial as RayTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from twinverify.errors import UserError
from twinverify.search.resources import Resources
from twinverify.search.state import SweepState, Trial
from twinverify.search.trial import TrialActor, TrialTask

#: How often a trial whose worker died goes on from its last epoch, before it counts as failed.
MAX_WORKER_DEATHS = 3


class StateSearcher(Searcher):
    """Hands Ray the trials to run: first those that an interrupted sweep left open, then new ones."""

    def __init__(
        self,
        state: SweepState,
        task: Callable[[Trial], TrialTask],
        *,
        trials: int,
        slots: int,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Hold no more than `slots` trials out at once and `trials` in all, and draw none once there is `enough`."""
        super().__init__(metric=state.objective, mode="min")
        self._state, self._task, self._trials, self._slots = state, task, trials, slots
        self._open = list(state.running)
        self._out: dict[str, int] = {}
        #: What Ray told of the last death of a trial's worker, by trial number.
        self.deaths: dict[int, str] = {}
        self._enough = enough

    def suggest(self, trial_id: str) -> Any:
        """Give the next trial's task, None while all slots are busy, or FINISHED."""
        # Ray would ask ahead of free slots; a draw has to know the results before it, or resume could not repeat it.
        if len(self._out) >= self._slots:
            return None
        trial = self._open.pop(0) if self._open else self._draw()
        if trial is None:
            return Searcher.FINISHED
        self._out[trial_id] = trial.number
        return dict(self._task(trial))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Free the slot; with `error` Ray has given the trial up."""
        number = self._out.pop(trial_id, None)
        if number is not None and error:
            last = self.deaths.get(number)
            self._state.fail(number, "its worker died too often" + (f"; the last time: {last}" if last else ""))

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

    def __init__(self, state: SweepState, deaths: dict[int, str]) -> None:
        """Ask `state` at every result, and note in `deaths` what Ray tells of a dead worker."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._state, self._deaths = state, deaths

    def on_trial_result(self, tune_controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        """Record the epoch; stop when the trial is completed, pruned or failed."""
        number = trial.config["trial"]
        if "cannot_write" in result:
            raise UserError(f"{result['cannot_write']}; make room and continue the sweep: nothing is lost")
        if "failed" in result:
            self._state.fail(number, result["failed"])
            return TrialScheduler.STOP
        metrics = {
            name.removeprefix("metrics/"): value for name, value in result.items() if name.startswith("metrics/")
        }
        then = self._state.report(number, result["epoch"], metrics)
        return TrialScheduler.CONTINUE if then == "continue" else TrialScheduler.STOP

    def on_trial_error(self, tune_controller: Any, trial: RayTrial) -> None:
        """Note what Ray tells of the death: it may give the trial another worker yet, which starts where this ended."""
        told = [line.strip() for line in str(trial.get_error() or "").splitlines() if line.strip()]
        self._deaths[trial.config["trial"]] = told[-1][:200] if told else ""


def start_ray(resources: Resources) -> None:
    """Start a Ray of our own on this machine: loopback only, no dashboard, no chatter."""
    for name in ("ray", "ray.tune", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with _no_way_out(), _own_sigterm():
        ray.init(
            address="local",
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            # Results are dictionaries of numbers; Ray's default takes 30 % of the memory for objects.
            object_store_memory=100 * 2**20,
        )


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep our handler: `ray.init` sets one that kills all at once, and a sweep's runs would be left RUNNING."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _no_way_out() -> Iterator[None]:
    """Give what is started inside the block an HTTP proxy that nobody serves.

    Ray's dashboard module asks the cloud's metadata address (169.254.169.254, and a DNS server for its name) whatever
    is switched off; it honours the proxy. Addresses under https, such as a model hub's, are not touched.
    """
    before = {name: os.environ.get(name) for name in ("http_proxy", "HTTP_PROXY")}
    os.environ.update(dict.fromkeys(before, "http://127.0.0.1:9"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def run_trials(
    state: SweepState,
    task: Callable[[Trial], TrialTask],
    *,
    trials: int,
    resources: Resources,
    callbacks: Sequence[Callback],
    enough: Callable[[], bool],
    actor: type[tune.Trainable] = TrialActor,
) -> None:
    """Run trials until `trials` have ended, or `enough()` says that no more shall be drawn; Ray has been started."""
    searcher = StateSearcher(state, task, trials=trials, slots=resources.slots, enough=enough)
    # Fewer trials may be asked for now than were drawn; those left open are finished all the same.
    left = max(0, trials - len(state.trials)) + len(state.running)
    storage = tempfile.mkdtemp(prefix="twinverify-ray-")
    try:
        tune.run(
            actor,
            name="sweep",
            search_alg=searcher,
            scheduler=StateScheduler(state, searcher.deaths),
            num_samples=left,
            reuse_actors=True,
            resources_per_trial={"cpu": resources.cpus_per_trial, "gpu": resources.gpus_per_trial},
            max_failures=MAX_WORKER_DEATHS,
            raise_on_failed_trial=False,
            callbacks=list(callbacks),
            storage_path=storage,
            trial_name_creator=lambda trial: f"{trial.config['trial']:05d}",
            trial_dirname_creator=lambda trial: f"{trial.config['trial']:05d}",
            verbose=0,
        )
    except TuneError as error:
        # Ray turns what our own hooks raise into text; the error itself stands behind it.
        if isinstance(error.__context__, UserError):
            raise error.__context__ from None
        raise
    finally:
        shutil.rmtree(storage, ignore_errors=True)
