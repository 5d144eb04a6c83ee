"""Our side of `replay.py`: a sweep's own state, study and rungs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twinverify.search.options import TuneOptions
from twinverify.search.rungs import first_rung, stopper_of
from twinverify.search.space import Space
from twinverify.search.spare import spared_by
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

OBJECTIVE = "val/twin_eer"


class Ours:
    """A sweep as `python -m twinverify.tune` has it, with its journal in a folder."""

    def __init__(self, space: Space, epochs: int, seed: int, folder: Path, **options: Any) -> None:
        """Begin a sweep."""
        asked = TuneOptions(**{"seed": seed, "grace_epochs": first_rung(epochs)} | options)
        self.state = SweepState(
            folder,
            SweepStudy(space, asked.sampler, seed, repeats=asked.repeats),
            stopper_of(asked, epochs),
            objective=OBJECTIVE,
            epochs=epochs,
            spared=spared_by(asked),
        )

    def draw(self) -> tuple[int, Mapping[str, Any]] | None:
        """Open the next trial."""
        trial = self.state.draw()
        return None if trial is None else (trial.number, trial.values)

    def report(self, number: int, epoch: int, cost: float) -> bool:
        """Take in one epoch, and say whether the trial goes on."""
        return self.state.report(number, epoch, {OBJECTIVE: cost}) == "continue"
