"""Ray's MLflow callback, made exact: one run a trial for good, one `log_batch` a report, no metric that is not ours."""

from collections.abc import Callable
from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback

from twinverify.tracking.delivery import Record
from twinverify.tracking.runs import SweepRuns


class SweepMLflowCallback(MLflowLoggerCallback):
    """Delivers each trial's record to its run, when Ray tells that the trial has started, reported or ended.

    Ray's own class keeps trial -> run in memory only, asks the server once a report, writes metric by metric, and
    logs Tune's bookkeeping as metrics; here the record is the sweep's journal, and the run is found by its tags.
    """

    def __init__(self, runs: SweepRuns, record: Callable[[int], Record], config: Callable[[int], str]) -> None:
        """Deliver to `runs` what `record` tells of a trial's number, with `config` as its config.yaml."""
        super().__init__()
        self._runs, self._record, self._config = runs, record, config

    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the experiment is open already, and MLflow's global address stays untouched."""

    def log_trial_start(self, trial: Any) -> None:
        """Create the trial's run, or find that it is there."""
        number = trial.config["trial"]
        self._runs.deliver(self._record(number), self._config(number))

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Deliver the epoch in one batch."""
        self._runs.deliver(self._record(trial.config["trial"]))

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:
        """Give the run its final state."""
        self._runs.deliver(self._record(trial.config["trial"]))
