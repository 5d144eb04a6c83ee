"""The files of a sweep's folder that people read: written aside, then renamed, so that none is ever half there."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twinverify.config import Config, dump_config, with_values
from twinverify.errors import UserError
from twinverify.faces.load import SYNTHETIC
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState, Trial
from twinverify.search.stored import SPACE_FILE, SWEEP_FILE

METRICS_FILE = "metrics.jsonl"


def write_aside(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def taken_back_if_refused(*folders: Path) -> Iterator[None]:
    """Remove those of `folders` (inner ones first) that are new and hold nothing but locks, if the block is refused."""
    new = [folder for folder in folders if not folder.exists()]
    try:
        yield
    except UserError:
        for folder in new:
            for lock in folder.glob("*.lock"):
                lock.unlink()
            with suppress(OSError):  # not there, or something has come to lie in it
                folder.rmdir()
        raise


def write_plan(plan: SweepPlan) -> None:
    """Write what is needed to run the sweep again."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_aside(plan.folder / SPACE_FILE, plan.space.text)
    write_aside(plan.folder / SWEEP_FILE, plan.to_yaml())


def trial_folder(plan: SweepPlan, number: int) -> Path:
    """Give the folder of a trial."""
    return plan.folder / f"{number:05d}"


def trial_config(plan: SweepPlan, trial: Trial) -> Config:
    """Give a trial's whole configuration."""
    return with_values(plan.config, trial.values, where=f"trial {trial.number}")


def write_trial(plan: SweepPlan, trial: Trial) -> None:
    """Write a trial's configuration and its metrics as JSON lines."""
    folder = trial_folder(plan, trial.number)
    if not (folder / "config.yaml").exists():
        folder.mkdir(exist_ok=True)
        write_aside(folder / "config.yaml", dump_config(trial_config(plan, trial)))
    write_aside(folder / METRICS_FILE, _lines(trial, 0))


class TrialFiles:
    """Keeps the trials' files up to date: whole at first, then line by line; what a crash cuts off is made anew."""

    def __init__(self, plan: SweepPlan) -> None:
        """Begin with nothing known of what the folder holds."""
        self._plan = plan
        self._written: dict[int, int] = {}

    def update(self, trial: Trial) -> None:
        """Write what is new of a trial."""
        before = self._written.get(trial.number)
        if before is None:
            write_trial(self._plan, trial)
        elif trial.epoch > before:
            with (trial_folder(self._plan, trial.number) / METRICS_FILE).open("a", encoding="utf-8") as file:
                file.write(_lines(trial, before))
        self._written[trial.number] = trial.epoch


def _lines(trial: Trial, after: int) -> str:
    """Give the reports after an epoch as JSON lines."""
    reports = enumerate(trial.reports[after:], after + 1)
    return "".join(f"{json.dumps({'epoch': epoch, **metrics})}\n" for epoch, metrics in reports)


def write_best(plan: SweepPlan, state: SweepState) -> Path | None:
    """Write `best.yaml`, the configuration of the best trial so far; None before there is one."""
    best = state.best()
    if best is None:
        return None
    path = plan.folder / "best.yaml"
    data = "" if plan.options.data == SYNTHETIC else f" data={plan.options.data}"
    comment = (
        f"# Sweep {plan.name}, trial {best.trial.number}:"
        f" {state.objective} {best.value:.4f} at epoch {best.epoch} of {state.epochs}.\n"
        f"# python -m twinverify.train config={path}{data}\n"
    )
    write_aside(path, comment + dump_config(trial_config(plan, best.trial)))
    return path
