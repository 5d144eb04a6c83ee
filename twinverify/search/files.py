"""The files of a sweep's folder that people read: views of the journal, brought up to date at every start."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from filelock import FileLock

from twinverify.config import dump_config, with_values
from twinverify.durable import leftovers, remove, told_if_disk_fails, write_text
from twinverify.errors import UserError
from twinverify.faces.load import SYNTHETIC
from twinverify.search.plan import SweepPlan
from twinverify.search.run_files import RUN_FILES
from twinverify.search.state import SweepState, Trial
from twinverify.search.stored import SPACE_FILE, SWEEP_FILE
from twinverify.settings import Config
from twinverify.training.alone import half_written, only_writer
from twinverify.training.names import CHECKPOINTS, SCORES

METRICS_FILE: Final = "metrics.jsonl"
CONFIG_FILE: Final = "config.yaml"
BEST_FILE: Final = "best.yaml"
ERROR_FILE: Final = "error.txt"


@contextmanager
def taken_back_if_refused(*folders: Path) -> Iterator[None]:
    """Remove those of `folders` (inner ones first) that are new and hold nothing but locks, if the block is refused.

    A lock that another process holds, or that something lies beside, stays, and its folder with it.
    """
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except UserError:
        for folder in new:
            _take_back(folder)
        raise


def write_plan(plan: SweepPlan) -> None:
    """Write what is needed to run the sweep again, and clear away what killed processes left half written.

    Raises:
        UserError: the disk is full.
    """
    with told_if_disk_fails(plan.folder):
        plan.folder.mkdir(parents=True, exist_ok=True)
        for path in leftovers(plan.folder, (SPACE_FILE, SWEEP_FILE, BEST_FILE)):
            remove(path)
        _write(plan.folder / SPACE_FILE, plan.space.text)
        _write(plan.folder / SWEEP_FILE, plan.to_yaml())


def trial_folder(plan: SweepPlan, number: int) -> Path:
    """Give the folder of a trial."""
    return plan.folder / f"{number:05d}"


def trial_config(plan: SweepPlan, trial: Trial) -> Config:
    """Give a trial's whole configuration."""
    return with_values(plan.config, trial.values, where=f"trial {trial.number}")


def write_trial(plan: SweepPlan, trial: Trial) -> None:
    """Write a trial's configuration and its metrics as JSON lines, where they are not there already.

    A folder with the things of another trial is emptied first: a journal that lost its end draws the next trials anew,
    maybe with other values.
    """
    folder = trial_folder(plan, trial.number)
    config = dump_config(trial_config(plan, trial))
    folder.mkdir(exist_ok=True)
    for path in leftovers(folder, (CONFIG_FILE, METRICS_FILE, ERROR_FILE)):
        remove(path)
    if trial.state == "running" and _is_another(folder / CONFIG_FILE, config):
        _empty(folder)
    _write(folder / CONFIG_FILE, config)
    _write(folder / METRICS_FILE, _lines(trial, 0))


class TrialFiles:
    """Keeps the trials' files up to date: whole at first, then line by line; what a crash cuts off is made anew."""

    def __init__(self, plan: SweepPlan) -> None:
        """Begin with nothing known of what the folder holds."""
        self._plan = plan
        self._written: dict[int, int] = {}

    def update(self, trial: Trial) -> None:
        """Write what is new of a trial.

        Raises:
            UserError: the disk is full.
        """
        before = self._written.get(trial.number)
        folder = trial_folder(self._plan, trial.number)
        with told_if_disk_fails(folder / METRICS_FILE):
            if before is None:
                write_trial(self._plan, trial)
            elif trial.epoch > before:
                with (folder / METRICS_FILE).open("a", encoding="utf-8") as file:
                    file.write(_lines(trial, before))
        self._written[trial.number] = trial.epoch


def write_best(plan: SweepPlan, state: SweepState) -> Path | None:
    """Write `best.yaml`, the configuration of the best trial so far; None, and no such file, before there is one.

    Raises:
        UserError: the disk is full.
    """
    best = state.best()
    path = plan.folder / BEST_FILE
    if best is None:
        with told_if_disk_fails(path):
            path.unlink(missing_ok=True)
        return None
    data = "" if plan.options.data == SYNTHETIC else f" data={plan.options.data}"
    comment = (
        f"# Sweep {plan.name}, trial {best.trial.number}:"
        f" {state.objective} {best.value:.4f} at epoch {best.epoch} of {state.epochs}.\n"
        f"# python -m twinverify.train config={path}{data}\n"
    )
    with told_if_disk_fails(path):
        _write(path, comment + dump_config(trial_config(plan, best.trial)))
    return path


def _write(path: Path, text: str) -> None:
    """Write a file unless it holds the text already: hundreds of ended trials are right, and each sync takes time."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == text.encode():
            return
    write_text(path, text)


def _lines(trial: Trial, after: int) -> str:
    """Give the reports after an epoch as JSON lines."""
    reports = enumerate(trial.reports[after:], after + 1)
    return "".join(f"{json.dumps({'epoch': epoch, **metrics})}\n" for epoch, metrics in reports)


def _is_another(path: Path, config: str) -> bool:
    """Tell whether a folder's configuration is another trial's; one that is only cut off is this trial's."""
    return path.exists() and not config.encode().startswith(path.read_bytes())


def _empty(folder: Path) -> None:
    # A worker that outlived its driver may still write there.
    with only_writer(folder):
        for path in (
            *half_written(folder),
            *(folder / name for name in (*CHECKPOINTS, SCORES, ERROR_FILE, *RUN_FILES)),
        ):
            remove(path)


def _take_back(folder: Path) -> None:
    with suppress(OSError), ExitStack() as held:  # not there, held by another process, or something has come into it
        locks = list(folder.iterdir())
        if all(path.suffix == ".lock" for path in locks):
            for path in locks:
                held.enter_context(FileLock(path, timeout=0))
            for path in locks:
                path.unlink()
            folder.rmdir()
