"""Tells of a training outside a sweep, epoch by epoch: its run in MLflow, and TensorBoard."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from twinverify.search.attached import attached_files
from twinverify.search.record import EPOCH_SECONDS
from twinverify.search.run_files import EVENTS_FILE, GRAPH_FILE, MOMENTS_FILE
from twinverify.tracking.moments import Moments
from twinverify.tracking.record import Snapshot
from twinverify.tracking.tensorboard import EventsFile
from twinverify.training.names import ROLLOUT
from twinverify.training.report import EpochReport, best_epoch

if TYPE_CHECKING:
    from twinverify.tracking.single import SingleRun

End = Literal["completed", "failed"]


class Telling:
    """Collects a training's reports; the run is opened later, since what it attaches is known here."""

    def __init__(self, folder: Path, objective: str, *, tensorboard: bool) -> None:
        """Tell nobody yet.

        Args:
            folder: the training's.
            objective: the metric that its epochs are judged by.
            tensorboard: whether TensorBoard's file is wanted.
        """
        self.run: SingleRun | None = None
        self._folder, self._objective = folder, objective
        self._moments = Moments(folder / MOMENTS_FILE)
        self._reports: list[EpochReport] = []
        self._record = Snapshot(0, {}, "running", None, time.time(), None, [], [])
        files = folder / EVENTS_FILE, folder / GRAPH_FILE, folder / ROLLOUT
        self._events = EventsFile(*files) if tensorboard else None

    def files(self) -> list[Path]:
        """Give what is attached to the run once the training has ended."""
        return attached_files(self._folder, self._best)

    def report(self, report: EpochReport, machine: Callable[[], Mapping[str, float]]) -> None:
        """Tell of an epoch; one that is told again, of a training that goes on, with what was measured then."""
        moment = self._moments.of(report.epoch, machine)
        took = {} if report.seconds is None else {EPOCH_SECONDS: report.seconds}
        metrics = report.metrics | took | dict(moment.machine)
        self._reports.append(report)
        self._record.reports.append(metrics)
        self._record.reported_at.append(moment.at)
        if self.run is not None:
            self.run.report(metrics, moment.at)
        self._draw()

    def end(self, state: End, cause: str | None) -> str | None:
        """Tell how the training ended; gives None, or why its run does not tell it."""
        self._record.state, self._record.cause = state, cause
        self._draw()
        return None if self.run is None else self.run.end(state, cause)

    def pause(self) -> None:
        """Show that nothing runs any more, until the training goes on."""
        if self.run is not None:
            self.run.pause()

    @property
    def _best(self) -> int | None:
        return best_epoch(self._reports, self._objective) if self._reports else None

    def _draw(self) -> None:
        if self._events is not None:
            self._events.update(self._record, self._best)
