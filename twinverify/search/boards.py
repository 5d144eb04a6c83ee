"""Keeps TensorBoard's files of a sweep, one in each trial's folder, with `tensorboard=true`."""

from twinverify.durable import told_if_disk_fails
from twinverify.search.files import trial_folder
from twinverify.search.plan import SweepPlan
from twinverify.search.run_files import EVENTS_FILE, GRAPH_FILE
from twinverify.search.state import Trial
from twinverify.tracking.tensorboard import EventsFile
from twinverify.training.names import ROLLOUT


class TrialBoards:
    """Writes each trial's events as they come; at each start all of them anew, from the journal."""

    def __init__(self, plan: SweepPlan) -> None:
        """Begin with nothing known of what the folders hold."""
        self._plan = plan
        self._files: dict[int, EventsFile] = {}

    def update(self, trial: Trial) -> None:
        """Write what is new of a trial.

        Raises:
            UserError: the disk is full.
        """
        if not self._plan.options.tensorboard:
            return
        folder = trial_folder(self._plan, trial.number)
        if trial.number not in self._files:
            self._files[trial.number] = EventsFile(folder / EVENTS_FILE, folder / GRAPH_FILE, folder / ROLLOUT)
        best = trial.best(self._plan.objective)
        with told_if_disk_fails(folder):
            self._files[trial.number].update(trial, best and best[0])
