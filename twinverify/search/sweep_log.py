"""The log of a sweep, in its folder: when it started, what each trial came to, what went wrong, when it stopped."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState, Trial
from twinverify.training.names import LOG

if TYPE_CHECKING:
    from twinverify.search.sweep import Watcher


class SweepLog:
    """Passes what happens to another watcher, and appends a line of it to the log, unless the disk takes no more."""

    def __init__(self, shown: "Watcher", folder: Path, objective: str) -> None:
        """Write nothing yet.

        Args:
            shown: who shows the sweep.
            folder: the sweep's.
            objective: the metric that trials are judged by.
        """
        self._shown, self._path, self._objective = shown, folder / LOG, objective

    def preparing(self, done: int, total: int) -> None:
        """Pass on."""
        self._shown.preparing(done, total)

    def starting(self, plan: SweepPlan, state: SweepState) -> None:
        """Note the start."""
        drawn, running = len(state.trials), len(state.running)
        how = f"going on: {drawn} trials drawn, {running} of them to be continued" if drawn else "starting"
        self._note(f"{how}; {plan.options.trials} trials in all, {plan.resources.slots} at once")
        self._shown.starting(plan, state)

    def changed(self, trial: Trial) -> None:
        """Note a trial that was drawn or has ended."""
        if trial.state != "running":
            best = trial.best(self._objective)
            value = f", {self._objective} {best[1]:.4f} at epoch {best[0]}" if best else ""
            self._note(f"trial {trial.number} {trial.state} after {trial.epoch} epochs{value}{_because(trial.cause)}")
        elif not trial.reports:
            self._note(f"trial {trial.number} drawn")
        self._shown.changed(trial)

    def worker_died(self, trial: Trial, cause: str, deaths: int) -> None:
        """Note it."""
        self._note(f"WARNING trial {trial.number}: its worker died, death {deaths}{_because(cause)}")
        self._shown.worker_died(trial, cause, deaths)

    def ray_restarts(self, cause: str) -> None:
        """Note it."""
        self._note(f"WARNING Ray is started anew: its server {cause} died")
        self._shown.ray_restarts(cause)

    def dashboard(self, address: str, token: Path) -> None:
        """Pass on: it is over before a log is read."""
        self._shown.dashboard(address, token)

    def tracking_away(self, reason: str) -> None:
        """Note it."""
        self._note(f"WARNING MLflow is away{_because(reason)}")
        self._shown.tracking_away(reason)

    def tracking_back(self) -> None:
        """Note it."""
        self._note("MLflow is back; all that waited is delivered")
        self._shown.tracking_back()

    def stopped(self) -> None:
        """Pass on."""
        self._shown.stopped()

    def over(self, state: SweepState) -> None:
        """Note that nothing more is run."""
        left = len(state.running)
        self._note(f"interrupted; {left} trials to be continued" if left else "all trials have ended")

    def _note(self, line: str) -> None:
        with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def _because(cause: str | None) -> str:
    return f" ({' '.join(cause.split())})" if cause else ""
