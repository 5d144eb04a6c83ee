"""The deaths of workers: how many each trial may have, and when they are no trial's fault."""

from collections.abc import Callable

from twinverify.errors import UserError
from twinverify.search.state import SweepState

#: How often a trial whose worker died goes on from its last epoch, before it counts as failed.
MAX_WORKER_DEATHS = 3


class Deaths:
    """Counts the deaths of one start of a sweep."""

    def __init__(self, state: SweepState, on_death: Callable[[int, str, int], None]) -> None:
        """Tell `on_death` of each (trial's number, cause, how many of the trial's so far) that the trial survives."""
        self._state, self._on_death = state, on_death
        self._causes: dict[int, list[str]] = {}
        self._started = self._reported = False

    def started(self) -> None:
        """Note that a worker has come up."""
        self._started = True

    def reported(self) -> None:
        """Note that a trial has reported."""
        self._reported = True

    def add(self, number: int, cause: str) -> None:
        """Note the death of a trial's worker.

        Raises:
            UserError: no worker comes up, or none lives to the first report that this sweep ever had: not one trial is
                to blame, and each would fail.
        """
        causes = self._causes.setdefault(number, [])
        causes.append(cause)
        died = sum(map(len, self._causes.values()))
        hopeless = not self._reported and not (self._started and any(trial.epoch for trial in self._state.trials))
        if hopeless and died > MAX_WORKER_DEATHS:
            what = "before its first report" if self._started else "before it could start"
            raise UserError(
                f"workers: {died} in a row died, each {what} ({cause}); mend that and continue the sweep:"
                " nothing is lost"
            )
        if not self.too_many(number):
            self._on_death(number, cause, len(causes))

    def too_many(self, number: int) -> bool:
        """Say whether a trial shall not get another worker."""
        return len(self._causes.get(number, ())) > MAX_WORKER_DEATHS

    def verdict(self, number: int) -> str:
        """Give the cause of a failure for a trial whose worker has died too often."""
        causes = self._causes.get(number)
        return "its worker died too often" + (f"; the last time: {causes[-1]}" if causes else "")
