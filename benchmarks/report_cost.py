"""What a report costs in a sweep of many finished trials: the second half of `resume.py`."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import optuna
from nothing import metrics
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileBackend

from twinverify.search.options import TuneOptions
from twinverify.search.plan import make_plan
from twinverify.search.sweep import open_state

OBJECTIVE = "val/twin_eer"
#: Trials of which the reports are timed.
TIMED = 5


class Sizes(Protocol):
    """How large the sweep is."""

    @property
    def trials(self) -> int: ...  # noqa: D102

    @property
    def reports(self) -> int: ...  # noqa: D102


def ours(sizes: Sizes, folder: Path) -> float:
    """Give the milliseconds of a report in our journal and state."""
    plan = make_plan(TuneOptions(resume="long", output=folder / "runs", trials=sizes.trials + TIMED), {})
    seconds = 0.0
    with tempfile.TemporaryDirectory(dir=folder) as copy:
        shutil.copy(plan.folder / "journal.jsonl", copy)
        state = open_state(replace(plan, folder=Path(copy)))
        for _ in range(TIMED):
            trial = state.draw()
            if trial is None:
                raise RuntimeError("the space has no more values")
            for epoch in range(1, sizes.reports + 1):
                told = metrics(1e-3, epoch)
                began = time.perf_counter()
                state.report(trial.number, epoch, told)
                seconds += time.perf_counter() - began
        state.close()
    return 1000 * seconds / (TIMED * sizes.reports)


def optunas(sizes: Sizes, folder: Path, open_storage: Callable[[Path], BaseStorage]) -> float:
    """Give the milliseconds of a report in one of Optuna's storages."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    seconds = 0.0
    with tempfile.TemporaryDirectory(dir=folder) as place:
        study = optuna.create_study(storage=open_storage(Path(place)), sampler=optuna.samplers.RandomSampler(seed=0))
        distribution = optuna.distributions.FloatDistribution(3e-4, 3e-3, log=True)
        values = {epoch: metrics(1e-3, epoch)[OBJECTIVE] for epoch in range(1, sizes.reports + 1)}
        for _ in range(sizes.trials):
            study.add_trial(
                optuna.trial.create_trial(
                    params={"lr": 1e-3},
                    distributions={"lr": distribution},
                    value=values[sizes.reports],
                    intermediate_values=values,
                )
            )
        for _ in range(TIMED):
            trial = study.ask({"lr": distribution})
            for epoch, value in values.items():
                began = time.perf_counter()
                trial.report(value, epoch)
                seconds += time.perf_counter() - began
            study.tell(trial, values[sizes.reports])
    return 1000 * seconds / (TIMED * sizes.reports)


def disk(sizes: Sizes, folder: Path) -> float:
    """Give the milliseconds of appending a report's line and syncing it."""
    line = (folder / "runs" / "long" / "journal.jsonl").read_bytes().splitlines(keepends=True)[-1]
    count = TIMED * sizes.reports
    with tempfile.TemporaryFile(dir=folder) as file:
        began = time.perf_counter()
        for _ in range(count):
            os.write(file.fileno(), line)
            os.fdatasync(file.fileno())
        return 1000 * (time.perf_counter() - began) / count


def journal_file(place: Path) -> BaseStorage:
    return optuna.storages.JournalStorage(JournalFileBackend(str(place / "journal.log")))


def sqlite(place: Path) -> BaseStorage:
    return optuna.storages.RDBStorage(f"sqlite:///{place}/study.db")
