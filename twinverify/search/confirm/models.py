"""The models of a confirmation: all of them until the sealed test is done, then those that were tested."""

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from twinverify.durable import aside, told_if_disk_fails
from twinverify.search.confirm.result import Confirmed
from twinverify.search.files import trial_folder, write_plan
from twinverify.search.keep import Keeper
from twinverify.search.lock import locked
from twinverify.search.sweep import open_state
from twinverify.training.names import BEST

#: Beside the trainings: the models that met the test, each named by its training.
FOLDER: Final = "tested"
#: Checkpoints that stay of a confirmation whose models are tested.
_KEPT_AFTER: Final = 1


def models(confirmed: Confirmed, place: int) -> list[Path]:
    """Give the model of a chosen configuration with each seed: its best epoch's weights."""
    confirmation = confirmed.confirmation
    found = []
    for seed in range(len(confirmation.seeds)):
        folder = trial_folder(confirmation.plan, confirmation.number(place, seed))
        tested = confirmation.plan.folder / FOLDER / f"{folder.name}.safetensors"
        found.append(tested if tested.exists() else folder / BEST)
    return found


def free_untested(confirmed: Confirmed) -> None:
    """Remove the checkpoints that no test needs any more; the models that were tested stay, for another look at them.

    Raises:
        UserError: the disk is full, or another process runs the confirmation.
    """
    plan = confirmed.confirmation.plan
    if plan.options.keep == _KEPT_AFTER:
        return
    with locked(plan.folder), told_if_disk_fails(plan.folder):
        folder = plan.folder / FOLDER
        folder.mkdir(exist_ok=True)
        for path in {*models(confirmed, confirmed.winner), *models(confirmed, 0)}:
            if path.parent != folder:
                _link(path, folder / f"{path.parent.name}.safetensors")
        after = replace(plan, options=plan.options.model_copy(update={"keep": _KEPT_AFTER}))
        state = open_state(after)
        try:
            # As `keep=` on a command line: an audit asks for no more than this.
            state.plan(after.stored().model_dump(mode="json"), after.space.text)
            write_plan(after)
            Keeper(after, state).tidy()
        finally:
            state.close()


def _link(path: Path, to: Path) -> None:
    with aside(to) as temporary:
        try:
            os.link(path, temporary)
        except OSError:  # a file system without links
            shutil.copyfile(path, temporary)
