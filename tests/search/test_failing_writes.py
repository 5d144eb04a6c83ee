"""A disk that fails at any write of the driver stops a sweep with one line, and the next start loses nothing."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.search import journal
from twinverify.search.files import TrialFiles, trial_folder, write_best, write_plan
from twinverify.search.keep import Keeper
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy

EER = "val/twin_eer"
TRIALS, EPOCHS = 3, 2
#: By trial and epoch: the first of the kept ones is dropped for the second.
VALUES = ((0.4, 0.3), (0.5, 0.2), (0.1, 0.35))
WORKERS_FILES = ("last.safetensors", "previous.safetensors", "best.safetensors")


class Disk:
    """Counts what is written and fails at one of the writes, with a half of it written."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int | None) -> None:
        self.writes, self._fails_at = 0, fails_at
        write, text, replace, mkdir, opened = os.write, Path.write_text, Path.replace, os.mkdir, Path.open
        patch.setattr(os, "write", lambda handle, data: write(handle, data[: len(data) // 2] if self.full() else data))
        patch.setattr(os, "fsync", lambda handle: self.take())
        patch.setattr(journal, "sync", lambda handle: self.take())
        patch.setattr(Path, "replace", lambda path, new: (self.take(), replace(path, new))[1])
        patch.setattr(os, "mkdir", lambda path, *how: (Path(path).is_dir() or self.take(), mkdir(path, *how))[1])

        def write_text(path: Path, content: str, **how: Any) -> None:
            is_full = self.full()
            text(path, content[: len(content) // 2] if is_full else content, **how)
            if is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        @contextmanager
        def open_file(path: Path, *how: Any, **more: Any) -> Iterator[Any]:
            with opened(path, *how, **more) as file:
                yield _HalfWritten(file) if "a" in how and self.full() else file

        patch.setattr(Path, "write_text", write_text)
        patch.setattr(
            Path, "open", lambda path, *how, **more: (open_file if "a" in how else opened)(path, *how, **more)
        )

    def full(self) -> bool:
        self.writes += 1
        return self.writes == self._fails_at

    def take(self) -> None:
        if self.full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class _HalfWritten:
    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, content: str) -> None:
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], SweepPlan]:
    """Give a function that plans the same sweep in another folder."""
    options = {"space": "glca_heads", "config": "tiny", "gpus": 0, "epochs": EPOCHS, "trials": TRIALS, "keep": 1}
    few = {"synthetic.families": 12, "synthetic.images": 3}

    made = make_plan(TuneOptions.model_validate(options | {"output": tmp_path}), few)
    return lambda name: replace(made, folder=tmp_path / name)


def drive(plan: SweepPlan) -> None:
    """Begin a sweep or go on with it as `run_sweep` does, two trials at a time, with values in place of trainings."""
    write_plan(plan)
    study = SweepStudy(plan.space, "random", 1)
    state = SweepState(plan.folder, study, None, objective=EER, epochs=EPOCHS)
    try:
        files, keeper = TrialFiles(plan), Keeper(plan, state)
        keeper.tidy()
        for trial in state.trials:
            files.update(trial)
        state.listeners += [files.update, keeper.update]
        while len(state.trials) < TRIALS or state.running:
            while len(state.running) < 2 and len(state.trials) < TRIALS:
                state.draw()
            for trial in state.running:
                work(plan, trial)
                epoch = trial.epoch + 1
                state.report(trial.number, epoch, {EER: VALUES[trial.number][trial.epoch], "train/loss": float(epoch)})
        write_best(plan, state)
    finally:
        state.close()


def work(plan: SweepPlan, trial: Trial) -> None:
    """Leave behind what a worker does; its disk is the unit tests' of training."""
    for name in WORKERS_FILES:
        handle = os.open(trial_folder(plan, trial.number) / name, os.O_CREAT)
        os.close(handle)


def content(folder: Path) -> dict[str, Any]:
    """Give all that lies in a sweep's folder; of the journal what has no clock in it."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = path.read_text().replace(str(folder), "FOLDER")
        if path.name == "journal.jsonl":
            entries = [json.loads(line) for line in text.splitlines()]
            told = [{key: value for key, value in entry.items() if key != "time"} for entry in entries]
            # With two trials at a time, whose event comes first is free.
            found[path.name] = sorted(told, key=lambda entry: int(entry["trial"]))
        elif path.name != "sweep.yaml":  # each has a number of its own
            found[str(path.relative_to(folder))] = text
    return found


def test_a_disk_that_fails_at_any_write_stops_with_one_line_and_loses_nothing(
    make: Callable[[str], SweepPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make("whole")
    with monkeypatch.context() as patch:
        disk = Disk(patch, None)
        drive(whole)
    wanted = content(whole.folder)
    assert [entry["event"] for entry in wanted["journal.jsonl"]].count("reported") == TRIALS * EPOCHS
    kept = {name for name in wanted if name.endswith(".safetensors")}
    assert kept == {"00002/last.safetensors", "00002/best.safetensors"}, "the best trial's, at its second epoch"
    assert disk.writes > 40
    for number in range(1, disk.writes + 1):
        plan = make(f"fails at {number}")
        with monkeypatch.context() as patch:
            Disk(patch, number)
            with pytest.raises(UserError, match="cannot be written") as caught:
                drive(plan)
        assert str(caught.value).endswith("make room and continue the sweep: nothing is lost"), number
        assert "\n" not in str(caught.value)
        drive(plan)
        assert content(plan.folder) == wanted, f"write {number} failed"


def test_a_disk_that_stays_full_changes_nothing_however_often_it_is_tried(
    make: Callable[[str], SweepPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, plan = make("whole"), make("full")
    drive(whole)
    for number in (30, 1, 2, 5, 1, 1):
        with monkeypatch.context() as patch:
            Disk(patch, number)
            with pytest.raises(UserError, match="make room"):
                drive(plan)
    drive(plan)
    assert content(plan.folder) == content(whole.folder)
