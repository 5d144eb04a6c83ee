"""A training whose folder is damaged, one file at a time or all, is taken up to the very numbers of a whole one."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from twinverify.config import with_values
from twinverify.durable import disk_trouble
from twinverify.faces.faceset import FaceSet
from twinverify.settings import Config
from twinverify.training import checkpoint, files, loop
from twinverify.training.evaluate import Validation
from twinverify.training.files import read_tensors
from twinverify.training.loop import fit
from twinverify.training.names import BEST, LAST, LOCK, PREVIOUS, SCORES
from twinverify.training.report import EpochReport

EER = "val/twin_eer"
OFFSETS = ("start", "one", "middle", "end")

#: Averaged weights are not those of the model: the best file must be mended with the right ones.
VALUES = {
    "train.epochs": 4,
    "train.ema": 0.9,
    "model.dropout": 0.1,
    "model.patch_size": 16,
    "model.width": 24,
    "model.depth": 1,
    "model.pwca.blocks": 1,
}


@pytest.fixture
def config(small: Any) -> Config:
    return small(VALUES)


@pytest.fixture
def faces(draw_faces: Any) -> FaceSet:
    return draw_faces(families=2, images=2)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[float, ...]], None]:
    """Give a function that sets the twin EER of each epoch, and with it the best one; all else is computed."""
    real = loop._run_epoch

    def set_errors(errors: tuple[float, ...]) -> None:
        def run(*arguments: Any) -> tuple[EpochReport, Validation]:
            report, measured = real(*arguments)
            return EpochReport(report.epoch, report.metrics | {EER: errors[report.epoch - 1]}), measured

        monkeypatch.setattr(loop, "_run_epoch", run)

    return set_errors


#: Epochs done when it stops, EERs: the best so far is then the last epoch, the one before, or an older one.
COURSES = {
    "the last is best": (3, (0.4, 0.3, 0.2, 0.25)),
    "the last is best, before it the first": (3, (0.3, 0.4, 0.2, 0.25)),
    "the one before is best": (3, (0.4, 0.2, 0.3, 0.25)),
    "the first is best": (3, (0.2, 0.4, 0.3, 0.25)),
    "only one is done": (1, (0.4, 0.3, 0.35, 0.45)),
}


def numbers(reports: list[EpochReport]) -> list[dict[str, float]]:
    return [{k: v for k, v in report.metrics.items() if k != "train/images_per_second"} for report in reports]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {f"{name} {key}": value for name in (LAST, BEST) for key, value in read_tensors(folder / name)[0].items()}


def cut(path: Path, offset: str) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: {"start": 0, "one": 1, "middle": len(content) // 2, "end": len(content) - 1}[offset]])


@pytest.mark.parametrize(
    "course", ["the last is best", "the one before is best", "the first is best", "only one is done"]
)
def test_a_training_goes_on_exactly_with_any_of_its_files_cut_anywhere(
    config: Config, faces: FaceSet, tmp_path: Path, scripted: Any, course: str
) -> None:
    done, errors = COURSES[course]
    scripted(errors)
    wanted = numbers(list(fit(config, faces, faces, folder=tmp_path / "whole")))
    wanted_weights = weights(tmp_path / "whole")
    run = fit(config, faces, faces, folder=tmp_path / "begun")
    for _ in range(done):
        next(run)
    run.close()
    for name in sorted(path.name for path in (tmp_path / "begun").iterdir()):
        for offset in OFFSETS:
            folder = shutil.copytree(tmp_path / "begun", tmp_path / f"{name} {offset}")
            cut(folder / name, offset)
            case = f"{name} cut at {offset}"
            assert numbers(list(fit(config, faces, faces, folder=folder))) == wanted, case
            found = weights(folder)
            assert found.keys() == wanted_weights.keys()
            assert all(torch.equal(found[key], wanted_weights[key]) for key in found), case
            assert (folder / SCORES).read_bytes() == (tmp_path / "whole" / SCORES).read_bytes(), case
            for told in ("last.json", "best.json"):
                speedless(folder / told, tmp_path / "whole" / told)
            shutil.rmtree(folder)


def speedless(found: Path, wanted: Path) -> None:
    one, other = (json.loads(path.read_text()) for path in (found, wanted))
    for values in (one, other):
        values["metrics"].pop("train/images_per_second")
    assert one == other, found


@pytest.fixture
def begun(config: Config, faces: FaceSet, tmp_path: Path, scripted: Any) -> Callable[..., Path]:
    """Give a function that trains some epochs of a course into a folder."""

    def make(course: str) -> Path:
        done, errors = COURSES[course]
        scripted(errors)
        run = fit(config, faces, faces, folder=tmp_path / "begun")
        for _ in range(done):
            next(run)
        run.close()
        return tmp_path / "begun"

    return make


def computed(config: Config, faces: FaceSet, folder: Path) -> int:
    """Take a training up and give from which epoch on it is computed again: what is not has its speed still."""
    state = next(folder / name for name in (LAST, PREVIOUS) if (folder / name).exists())
    before = [report["metrics"] for report in read_tensors(state)[1]["reports"]]
    reports = list(fit(config, faces, faces, folder=folder))
    return next((epoch for epoch, (a, b) in enumerate(zip(before, reports, strict=False), 1) if a != b.metrics), 99)


@pytest.mark.parametrize(
    ("course", "from_epoch"),
    [("the last is best", 99), ("the one before is best", 3), ("the first is best", 1), ("only one is done", 99)],
)
def test_lost_best_weights_cost_no_more_epochs_than_they_must(
    config: Config, faces: FaceSet, begun: Any, caplog: pytest.LogCaptureFixture, course: str, from_epoch: int
) -> None:
    folder = begun(course)
    cut(folder / BEST, "middle")
    with caplog.at_level(logging.WARNING):
        assert computed(config, faces, folder) == from_epoch
    assert (f"{folder / BEST}" in caplog.text) == (from_epoch < 99)


@pytest.mark.parametrize(
    ("course", "best"),
    # The state is then of epoch 2. Its own best: that is put back. The first: that is lost, the third comes again.
    [("the last is best", 2), ("the last is best, before it the first", 3)],
)
def test_the_best_weights_of_an_epoch_that_is_lost_itself_are_no_reason_to_begin_anew(
    config: Config, faces: FaceSet, begun: Any, tmp_path: Path, course: str, best: int
) -> None:
    folder = begun(course)
    whole = numbers(list(fit(config, faces, faces, folder=tmp_path / "whole")))
    cut(folder / LAST, "middle")
    run = fit(config, faces, faces, folder=folder)
    reports = [next(run)]
    assert read_tensors(folder / BEST)[1]["epoch"] == best
    assert read_tensors(folder / PREVIOUS)[1]["reports"][-1]["epoch"] == 2
    assert numbers([*reports, *run]) == whole
    wanted = weights(tmp_path / "whole")
    assert all(torch.equal(value, wanted[key]) for key, value in weights(folder).items())


@pytest.mark.parametrize("moment", ["before the last", "before the best"])
def test_a_kill_at_any_moment_of_a_save_loses_at_most_that_epoch(
    config: Config, faces: FaceSet, tmp_path: Path, scripted: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    scripted((0.4, 0.3, 0.2, 0.25))
    wanted = numbers(list(fit(config, faces, faces, folder=tmp_path / "whole")))
    run = fit(config, faces, faces, folder=tmp_path / "cut")
    next(run)
    real = checkpoint.write_tensors

    def killed(path: Path, *rest: Any) -> None:
        if path.name == (LAST if moment == "before the last" else BEST):
            raise KeyboardInterrupt
        real(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_tensors", killed)
        with pytest.raises(KeyboardInterrupt):
            next(run)
    assert numbers(list(fit(config, faces, faces, folder=tmp_path / "cut"))) == wanted
    found, whole = weights(tmp_path / "cut"), weights(tmp_path / "whole")
    assert all(torch.equal(found[key], whole[key]) for key in whole)


@pytest.mark.parametrize("name", ["last.json", "best.json"])
def test_what_people_read_is_mended_even_if_there_is_nothing_left_to_train(
    config: Config, faces: FaceSet, tmp_path: Path, name: str
) -> None:
    short = with_values(config, {"train.epochs": 1})
    list(fit(short, faces, faces, folder=tmp_path))
    whole = (tmp_path / name).read_bytes()
    for damage in (whole[:-1], whole[:7], b""):
        (tmp_path / name).write_bytes(damage)
        list(fit(short, faces, faces, folder=tmp_path))
        assert (tmp_path / name).read_bytes() == whole


def test_everything_damaged_at_once_begins_anew_to_the_same_numbers(
    config: Config, faces: FaceSet, begun: Any, tmp_path: Path
) -> None:
    folder = begun("the last is best")
    for name in (LAST, PREVIOUS, BEST):
        cut(folder / name, "middle")
    found = numbers(list(fit(config, faces, faces, folder=folder)))
    assert found == numbers(list(fit(config, faces, faces)))
    assert (folder / "last.damaged").exists()
    assert (folder / "previous.damaged").exists()


class Disk:
    """Counts the writes of a training and fails at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, fails_at: int | None) -> None:
        self.writes, self._fails_at = 0, fails_at
        text, replace = Path.write_text, Path.replace

        def write_text(path: Path, content: str, **how: Any) -> int:
            if path.name != LOCK:
                self.take()
            return text(path, content, **how)

        def full(tensors: Any, path: Path, metadata: Any) -> None:
            self.writes += 1
            if self.writes == self._fails_at:  # in safetensors' words
                raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
            save_file(tensors, path, metadata=metadata)

        patch.setattr(files, "save_file", full)
        patch.setattr(Path, "write_text", write_text)
        patch.setattr(Path, "replace", lambda path, new: (self.take(), replace(path, new))[1])
        patch.setattr("os.fsync", lambda handle: self.take())

    def take(self) -> None:
        self.writes += 1
        if self.writes == self._fails_at:
            raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_at_any_write_loses_nothing(
    config: Config, faces: FaceSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = with_values(config, {"train.epochs": 2})
    with monkeypatch.context() as patch:
        disk = Disk(patch, None)
        wanted = numbers(list(fit(short, faces, faces, folder=tmp_path / "whole")))
    wanted_weights = weights(tmp_path / "whole")
    assert disk.writes > 15
    for number in range(1, disk.writes + 1):
        folder = tmp_path / str(number)
        with monkeypatch.context() as patch:
            Disk(patch, number)
            with pytest.raises(OSError, match="No space left") as caught:
                list(fit(short, faces, faces, folder=folder))
        assert disk_trouble(caught.value) == "No space left on device"
        assert numbers(list(fit(short, faces, faces, folder=folder))) == wanted, f"write {number} failed"
        found = weights(folder)
        assert all(torch.equal(found[key], wanted_weights[key]) for key in wanted_weights), f"write {number} failed"
        assert {path.name for path in folder.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
