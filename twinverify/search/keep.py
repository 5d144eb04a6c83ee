"""Bounds what checkpoints take: those of running trials and of the best few stay, the others go."""

from collections.abc import Iterable
from itertools import islice
from typing import Final

from twinverify.durable import remove, told_if_disk_fails
from twinverify.search.files import trial_folder
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState, Trial
from twinverify.training.alone import half_written
from twinverify.training.names import BEST, BEST_VALUES, CHECKPOINTS, LAST, LAST_VALUES, LOCK

#: Of an ended trial: its best weights, and its last state, to train on from.
OF_THE_BEST: Final = (LAST, LAST_VALUES, BEST, BEST_VALUES)


def kept_ended(state: SweepState, keep: int, among: Iterable[Trial] | None = None) -> set[int]:
    """Give the best `keep` of the trials that have ended, or of some trials; failed ones are never among them."""
    ended = (each.trial for each in state.ranked(among) if each.trial.state in ("completed", "pruned"))
    return {trial.number for trial in islice(ended, keep)}


class Keeper:
    """Removes the checkpoints of ended trials but for those of the best `plan.options.keep`.

    What an interruption leaves undone, `tidy` does at the next start.
    """

    def __init__(self, plan: SweepPlan, state: SweepState) -> None:
        """Remove nothing yet."""
        self._plan, self._state = plan, state
        self._kept: set[int] = set()

    def tidy(self) -> None:
        """Bring all folders in order, whatever has been kept before; while no worker runs.

        Raises:
            UserError: the disk is read-only.
        """
        self._kept = kept_ended(self._state, self._plan.options.keep)
        for trial in self._state.trials:
            if trial.state != "running":
                self._clear(trial.number)
                # Of a worker that was killed, at the end of a sweep too; nobody trains in it any more.
                remove(trial_folder(self._plan, trial.number) / LOCK)

    def update(self, trial: Trial) -> None:
        """Take in a change of a trial; only its end changes what is kept.

        Raises:
            UserError: the disk is read-only.
        """
        if trial.state == "running":
            return
        # What has ended never changes again: the best were kept, and this one may be better. No look at all the others.
        candidates = [self._state.trials[number] for number in self._kept | {trial.number}]
        before, self._kept = self._kept, kept_ended(self._state, self._plan.options.keep, candidates)
        for number in (before - self._kept) | {trial.number}:
            self._clear(number)

    def _clear(self, number: int) -> None:
        folder = trial_folder(self._plan, number)
        stays = OF_THE_BEST if number in self._kept else ()
        goes = [folder / name for name in CHECKPOINTS if name not in stays]
        with told_if_disk_fails(folder):
            for path in (*goes, *half_written(folder)):
                remove(path)
