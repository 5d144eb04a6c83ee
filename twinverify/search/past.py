"""A sweep as its folder tells it: read without its lock and without writing anything, so it may be running."""

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twinverify.errors import UserError, did_you_mean
from twinverify.owner import owner
from twinverify.search.lock import LOCK_FILE, OWNER_FILE
from twinverify.search.planned import StoredSweep
from twinverify.search.state import Stopper, Study, SweepState
from twinverify.search.stored import read_known, sweeps_in
from twinverify.verification.objective import DEFAULT_OBJECTIVE


@dataclass(frozen=True)
class PastSweep:
    """A sweep that was read from its folder.

    Attributes:
        folder: where it lies.
        stored: what it was started with, and what has been changed of it since.
        state: its trials at the moment of reading; to look at, not to go on with.
    """

    folder: Path
    stored: StoredSweep
    state: SweepState

    @property
    def name(self) -> str:
        """The sweep's name, which is its folder's."""
        return self.folder.name


def find_sweep(name: str, output: Path) -> Path:
    """Give the folder of a sweep.

    Raises:
        UserError: there is no such sweep in `output`.
    """
    known = sweeps_in(output)
    if name not in known:
        hint = did_you_mean(name, known) if known else "there are none yet; python -m twinverify.tune makes some"
        raise UserError(f"sweep {name}: not in {output}; {hint}")
    return output / name


def read_past(folder: Path) -> PastSweep:
    """Read a sweep as far as it has come.

    Raises:
        UserError: what it was started with, or its journal, is missing or damaged.
    """
    stored = read_known(folder).sweep
    return PastSweep(folder, stored, replayed(folder, stored, Nobody()))


def replayed(folder: Path, stored: StoredSweep, study: Study, stopper: Stopper | None = None) -> SweepState:
    """Give the state that the journal in `folder` tells, having told study and stopper the same.

    Raises:
        UserError: the journal is damaged.
    """
    # A state writes nothing before its first change, and nobody changes this one.
    return SweepState(folder, study, stopper, objective=objective_of(stored), epochs=stored.config.train.epochs)


def objective_of(stored: StoredSweep) -> str:
    """Give the metric that a sweep is judged by."""
    return stored.options.objective or DEFAULT_OBJECTIVE


def trial_folder(folder: Path, number: int) -> Path:
    """Give the folder of a trial of the sweep in `folder`."""
    return folder / f"{number:05d}"


def runner(folder: Path) -> str | None:
    """Give the process that runs a sweep now, in words; None where none does."""
    try:
        handle = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return None
    try:
        # Asked for as one of many and let go at once; a start in this very moment asks again.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner(folder / OWNER_FILE)
    finally:
        os.close(handle)
    return None


class Nobody:
    """A study where nobody draws and nobody listens."""

    def draw(self, number: int) -> dict[str, Any] | None:
        """Draw nothing."""
        return None

    def add(self, number: int, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def report(self, number: int, epoch: int, value: float) -> None:
        """Do nothing."""

    def end(self, number: int, state: str, value: float | None) -> None:
        """Do nothing."""
