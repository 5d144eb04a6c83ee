"""Ray's MLflow callback, made exact: one run a trial for good, one `log_batch` a report, no metric that is not ours."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twinverify.tracking.courier import Courier
from twinverify.tracking.record import Record


@contextmanager
def _without_mlflow() -> Iterator[None]:
    """Have MLflow look as if it were not installed, unless it is loaded already."""
    if "mlflow" in sys.modules:
        yield
        return
    sys.modules["mlflow"] = None  # type: ignore[assignment]  # as Python wants it
    try:
        yield
    finally:
        del sys.modules["mlflow"]


# Ray's module does without it, and only `setup_mlflow` misses it. The first trial would wait for its import.
with _without_mlflow():
    from ray.air.integrations.mlflow import MLflowLoggerCallback


class SweepMLflowCallback(MLflowLoggerCallback):
    """Hands each trial's record to the courier, when Ray tells that the trial has started, reported or ended.

    Ray's own class keeps trial -> run in memory only, asks the server once a report, writes metric by metric while the
    sweep waits, and logs Tune's bookkeeping as metrics; here the record is the sweep's journal.
    """

    def __init__(self, courier: Courier[Any], record: Callable[[int], Record]) -> None:
        """Hand to `courier` what `record` tells of a trial's number."""
        # Not Ray's own: it would import MLflow here, and the first trial would wait for that.
        self._courier, self._record = courier, record

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the courier opens the experiment, and MLflow's global address stays untouched."""

    def log_trial_start(self, trial: Any) -> None:
        """Have the trial's run created."""
        self._take(trial)

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Have the epoch delivered."""
        self._take(trial)

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """Have the run given its final state."""
        self._take(trial)

    def _take(self, trial: Any) -> None:
        self._courier.take(self._record(trial.config["trial"]))
