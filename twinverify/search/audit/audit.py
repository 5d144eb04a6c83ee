"""Audits a sweep: whether its journal can have happened, and whether files and MLflow runs tell the same.

The journal is the truth; all else is compared with it. Nothing is written, and the sweep's lock is not taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from twinverify.config import with_values
from twinverify.errors import UserError
from twinverify.search.audit.checkpoints import audit_checkpoints, kept_trials
from twinverify.search.audit.config import TrialConfig
from twinverify.search.audit.difference import Difference
from twinverify.search.audit.files import audit_best, audit_orphans, audit_trial_files, audit_views
from twinverify.search.audit.find import stored_runs
from twinverify.search.audit.journal import audit_journal
from twinverify.search.audit.run import audit_run
from twinverify.search.audit.runs import audit_parent, audit_parents, pair_runs
from twinverify.search.audit.store import StoredRuns
from twinverify.search.past import runner, trial_folder
from twinverify.search.state import SweepState
from twinverify.search.stored import KnownSweep, read_known
from twinverify.training.names import SCORES

__all__ = ["Audit", "Difference", "Progress", "audit"]


class Progress(Protocol):
    """What is told how far an audit is."""

    def __call__(self, part: str, done: int, total: int) -> None:
        """Tell that `done` of `total` steps of a part are behind."""


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        name: the sweep's.
        trials: how many the journal tells of.
        reports: how many epochs the journal tells of.
        tracked: whether MLflow runs were looked for.
        differences: what is not as the journal has it, or cannot have happened.
        notes: what those who read the differences should know first.
    """

    name: str
    trials: int
    reports: int
    tracked: bool
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def audit(folder: Path, tracking: str | None = None, progress: Progress = lambda part, done, total: None) -> Audit:
    """Compare a sweep's journal with itself, with the files of its folder, and with its MLflow runs.

    Of a sweep that is running, checkpoints and the trials that run are not compared: they are ahead of what was read.

    Args:
        folder: the sweep's.
        tracking: where its runs are looked for, `off` for nowhere; None = where the sweep keeps them.
        progress: is told how far it is.

    Raises:
        UserError: nothing tells what the sweep was started with, or the store of its runs cannot be reached.
    """
    known, by = read_known(folder), runner(folder)
    # First, since it is what may not be there.
    runs = stored_runs(known.sweep, tracking)
    journal = audit_journal(folder, known, lambda drawn: progress("Replaying draws", drawn, known.drawn))
    differences, state = list(journal.differences), journal.state
    if state is not None:
        comparison = _Comparison(folder, known, state, running=by is not None, progress=progress)
        differences += [*comparison.configs(), *comparison.files()]
        differences += comparison.runs(runs) if runs is not None else ()
    notes = [_RUNNING.format(folder.name, by)] if by else []
    if state is not None and not by and differences and _is_unfinished(state, known.sweep.options.trials):
        notes.append(_UNFINISHED.format(folder.name))
    return Audit(
        folder.name,
        trials=known.drawn if state is None else len(state.trials),
        reports=0 if state is None else sum(trial.epoch for trial in state.trials),
        tracked=runs is not None,
        differences=tuple(differences),
        notes=(*notes, *journal.notes),
    )


def _is_unfinished(state: SweepState, trials: int) -> bool:
    return bool(state.running) or len(state.trials) < trials


class _Comparison:
    """Compares a sound journal with all else."""

    def __init__(
        self, folder: Path, known: KnownSweep, state: SweepState, *, running: bool, progress: Progress
    ) -> None:
        self._folder, self._known, self._state = folder, known, state
        self._running, self._progress = running, progress
        self._compared = [trial for trial in state.trials if not (running and trial.state == "running")]
        self._configs: dict[int, TrialConfig] = {}

    def configs(self) -> Iterator[Difference]:
        """Make the configurations of all trials; give the trials that have none."""
        for trial in list(self._compared):
            try:
                config = with_values(self._known.sweep.config, trial.values, where="its values")
            except UserError as error:
                self._compared.remove(trial)
                told = "values of a configuration", str(error)
                yield Difference("journal", "altered", f"trial {trial.number}", *told, trial.number)
            else:
                self._configs[trial.number] = TrialConfig(config)

    def files(self) -> Iterator[Difference]:
        """Compare the sweep's folder."""
        kept = kept_trials(self._state, self._known.sweep.options.keep)
        scored = any(self._folder.glob(f"*/{SCORES}"))
        for done, trial in enumerate(self._compared):
            self._progress("Reading files", done, len(self._compared))
            folder = trial_folder(self._folder, trial.number)
            yield from audit_trial_files(folder, trial, self._configs[trial.number])
            if not self._running:  # they come and go with each trial that ends
                objective, is_kept = self._state.objective, trial.number in kept
                yield from audit_checkpoints(folder, trial, objective, kept=is_kept, scored=scored)
        yield from audit_orphans(self._folder, len(self._state.trials), running=self._running)
        if not self._running:  # written anew at the end
            yield from self._best()
        yield from audit_views(self._folder, self._known)

    def _best(self) -> Iterator[Difference]:
        best = self._state.best()
        config = None if best is None else self._configs.get(best.trial.number)
        if best is None or config is not None:
            yield from audit_best(self._folder, config)

    def runs(self, stored: StoredRuns) -> Iterator[Difference]:
        """Compare the MLflow runs."""
        pairs, differences = pair_runs(stored, self._state, self._compared, running=self._running)
        yield from differences
        if not self._running:
            yield from audit_parent(self._state, stored, self._known.sweep.options.trials)
        yield from audit_parents(pairs, stored)
        contents = stored.contents(list(pairs.values()))
        for done, ((number, run), content) in enumerate(zip(pairs.items(), contents, strict=True)):
            self._progress("Reading MLflow runs", done, len(pairs))
            yield from audit_run(self._state.trials[number], run, content, self._configs[number])


_RUNNING: Final = (
    "Sweep {} is being run by {} now: what MLflow shows may lag behind; checkpoints and the trials that run now are not"
    " compared."
)
_UNFINISHED: Final = "Sweep {} has not ended: its next start brings files and MLflow runs up to date."
