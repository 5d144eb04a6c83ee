"""How fast a sweep gets on, and how long what is left of it will take."""

from itertools import pairwise

from twinverify.search.state import SweepState, Trial


class Pace:
    """Counts what happens from now on; a trial that has ended is looked at once, however many there are."""

    def __init__(self, state: SweepState, began: float) -> None:
        """Count nothing yet.

        Args:
            state: the sweep's trials.
            began: seconds since 1970; epochs that began before are left out.
        """
        self._state, self._began = state, began
        self._open: list[Trial] = []
        self._seen = 0
        #: Of the trials that have ended: how many, how many with an epoch, their epochs.
        self.done, self._lasted, self._epochs = 0, 0, 0
        self._gaps, self._seconds = 0, 0.0

    def count(self) -> None:
        """Take in what has happened."""
        changed = self._open + self._state.trials[self._seen :]
        self._seen = len(self._state.trials)
        self._open = [trial for trial in changed if trial.state == "running"]
        for trial in changed:
            if trial.state != "running":
                self.done += 1
                self._lasted += trial.epoch > 0
                self._epochs += trial.epoch
                gaps = self._gaps_of(trial)
                self._gaps, self._seconds = self._gaps + len(gaps), self._seconds + sum(gaps)

    def seconds_left(self, trials: int, slots: int) -> float | None:
        """Estimate from the epochs seen: seconds each, and how many a trial lasts; None without any, or at the end.

        Args:
            trials: how many in all.
            slots: how many at once.
        """
        self.count()
        length = self._epochs / self._lasted if self._lasted else self._state.epochs
        open_gaps = [gap for trial in self._open for gap in self._gaps_of(trial)]
        to_draw = max(0, trials - len(self._state.trials))
        epochs = to_draw * length + sum(max(0.0, length - trial.epoch) for trial in self._open)
        gaps = self._gaps + len(open_gaps)
        return epochs * (self._seconds + sum(open_gaps)) / gaps / slots if gaps and epochs else None

    def _gaps_of(self, trial: Trial) -> list[float]:
        times = [trial.drawn_at, *trial.reported_at]
        return [later - sooner for sooner, later in pairwise(times) if sooner >= self._began]
