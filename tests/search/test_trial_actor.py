"""An actor runs one trial after the other, and each as if it were the first; driven by hand, without Ray."""

import json
import random
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from twinverify.config import load_config, with_values
from twinverify.durable import told_if_disk_fails
from twinverify.errors import UserError
from twinverify.search import trial as trial_module
from twinverify.search.record import EPOCH_SECONDS
from twinverify.search.trial import TrialActor
from twinverify.training import epoch as epoch_module
from twinverify.training import loop
from twinverify.training.alone import FolderError
from twinverify.training.checkpoint import LAST
from twinverify.training.files import read_tensors
from twinverify.training.loop import TrainingDiverged
from twinverify.training.report import EpochReport

SMALL: dict[str, Any] = {
    "synthetic.families": 16,
    "synthetic.images": 4,
    "batch.people": 8,
    "model.width": 48,
    "model.depth": 2,
    "model.pwca.blocks": 2,
    "model.image_size": 32,
    "model.dropout": 0.1,
    "train.epochs": 2,
}
#: The first epoch ends, the second overflows.
DIVERGES: dict[str, Any] = {
    "train.lr": 10.0,
    "train.clip": None,
    "train.optimizer": "sgd",
    "train.weight_decay": 1.0,
    "loss.identity.weight": 10.0,
}
_NOT_REPEATABLE = ("train/images_per_second", "system/")

_ALONE = """
import json, sys
from twinverify.search.trial import TrialActor
actor = TrialActor.__new__(TrialActor)
actor.setup(json.loads(sys.argv[1]))
print(json.dumps([actor.step() for _ in range(2)]))
"""


@pytest.fixture(autouse=True)
def _the_process_as_it_was() -> Iterator[None]:
    """Clean up after trials that do not."""
    threads, dtype, grad = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)
    torch.set_grad_enabled(grad)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def actor_with(task: Any) -> TrialActor:
    """Make an actor as Ray does, but without Ray's storage, which `Trainable.__init__` asks for."""
    actor: TrialActor = TrialActor.__new__(TrialActor)
    actor.setup(task)
    return actor


def a_task(folder: Path, cache: Path, values: dict[str, Any]) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    config = with_values(load_config("tiny"), SMALL | values)
    return {
        "trial": 0,
        "folder": str(folder),
        "config": config.model_dump(mode="json"),
        "data": "synthetic",
        "pairs": None,
        "cache": str(cache),
        "objective": "val/twin_eer",
        "threads": 1,
        "graph": False,
    }


def make_a_mess() -> None:
    """Leave the process as badly as a trial can."""
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(2)


def repeatable(results: list[dict[str, Any]]) -> list[Any]:
    return [
        (
            result["epoch"],
            {name: value for name, value in result["metrics"].items() if not name.startswith(_NOT_REPEATABLE)},
        )
        for result in results
    ]


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> list["weakref.ref[nn.Module]"]:
    """Give weak references to the models of all trainings begun, the newest last."""
    made: list[weakref.ref[nn.Module]] = []

    class Watched(loop.Learner):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(weakref.ref(self.model))

    monkeypatch.setattr(loop, "Learner", Watched)
    return made


def messy_updates(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have each update of the weights leave a mess; gives a function that ends it."""
    tidy = epoch_module.gradient_step

    def messy(*args: Any, **kwargs: Any) -> Any:
        try:
            return tidy(*args, **kwargs)
        finally:
            make_a_mess()
            torch.set_grad_enabled(True)  # or this very training could not go on to its failure
            torch.set_default_dtype(torch.float32)

    monkeypatch.setattr(epoch_module, "gradient_step", messy)
    return lambda: monkeypatch.setattr(epoch_module, "gradient_step", tidy)


def test_after_a_trial_that_failed_in_the_middle_the_next_is_as_in_a_fresh_process(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: list["weakref.ref[nn.Module]"]
) -> None:
    tidy_again = messy_updates(monkeypatch)
    actor = actor_with(a_task(tmp_path / "a", cache, DIVERGES))
    assert actor.step()["epoch"] == 1
    make_a_mess()
    assert actor.step()["failed"].startswith("epoch 2: ")
    make_a_mess()
    tidy_again()

    assert actor.reset_config(a_task(tmp_path / "b", cache, {}))
    assert [model() for model in models] == [None]
    reused = [actor.step() for _ in range(2)]
    assert len(models) == 2

    task = json.dumps(a_task(tmp_path / "alone", cache, {}))
    told = subprocess.run([sys.executable, "-c", _ALONE, task], capture_output=True, text=True, check=True, timeout=120)
    assert repeatable(reused) == repeatable(json.loads(told.stdout.splitlines()[-1]))
    (tensors, _), (expected, _) = (read_tensors(tmp_path / folder / LAST) for folder in ("b", "alone"))
    assert tensors.keys() == expected.keys()
    assert [name for name in expected if not torch.equal(tensors[name], expected[name])] == []
    assert {tensor.dtype for tensor in tensors.values()} == {tensor.dtype for tensor in expected.values()}


def reports_of(model: nn.Module) -> Iterator[EpochReport]:
    """Report for ever, and hold the model as long."""
    while True:
        yield EpochReport(1, {"val/twin_eer": float(len(list(model.parameters())))})


@pytest.mark.parametrize("cuda_runs", [True, False])
def test_the_gpus_memory_is_given_back_between_trials_once_the_model_is_gone(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, cuda_runs: bool
) -> None:
    made: list[weakref.ref[nn.Module]] = []

    def begins(_: Any) -> Iterator[EpochReport]:
        begun = nn.Linear(2, 2)
        made.append(weakref.ref(begun))
        return reports_of(begun)

    monkeypatch.setattr(trial_module, "start", begins)
    actor = actor_with(a_task(tmp_path, cache, {}))
    assert actor.step()["metrics"]["val/twin_eer"] == 2
    (model,) = made
    assert model() is not None
    seen: list[Any] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: cuda_runs)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append(("emptied", model())))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: seen.append(("peak reset", model())))
    actor.reset_config(a_task(tmp_path, cache, {}))
    assert model() is None
    # Emptied while the model was still there would free nothing.
    assert seen == ([("emptied", None), ("peak reset", None)] if cuda_runs else [])


FAILURES = {
    "diverged": (TrainingDiverged(3, "the loss of the sa branch is nan"), "epoch 3: the loss of the sa branch is nan"),
    "no memory": (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "out of GPU memory: a larger"),
    "a bug": (ValueError("head size 7\nsecond line"), "ValueError: head size 7"),
    "bad data": (UserError("data: faces are gone; put them back"), "data: faces are gone; put them back"),
}


READ_ONLY = "Read-only file system"
FULL = "cannot be written (No space left on device); make room and continue the sweep: nothing is lost"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device"), f"FOLDER: {FULL}"),
        (OSError(28, "No space left on device", "/x/last.safetensors"), f"/x/last.safetensors: {FULL}"),
        (OSError(30, "Read-only file system"), f"FOLDER: {FULL}".replace("No space left on device", READ_ONLY)),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), f"FOLDER: {FULL}"),
        (
            OSError(116, "Stale file handle", "/share/faces.npy"),
            "/share/faces.npy: Stale file handle; mend that and continue the sweep: nothing is lost",
        ),
        (FolderError("/y: process 7 still trains in it"), "/y: process 7 still trains in it"),
    ],
    ids=str,
)
def test_what_is_not_the_trials_fault_stops_the_sweep(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    def fails(_: Any) -> None:
        raise error

    monkeypatch.setattr(trial_module, "start", fails)
    result = actor_with(a_task(tmp_path / "trial", cache, {})).step()
    assert result == {"sweep_stops": line.replace("FOLDER", str(tmp_path / "trial"))}


def test_data_that_went_away_stops_the_sweep_and_fails_no_trial(tmp_path: Path, cache: Path) -> None:
    task = a_task(tmp_path / "trial", cache, {}) | {"data": str(tmp_path / "gone")}
    result = actor_with(task).step()
    assert list(result) == ["sweep_stops"]
    assert f"data {tmp_path / 'gone'}" in result["sweep_stops"]


def test_a_worker_that_lost_its_gpu_dies_so_that_another_goes_on(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> None:
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(trial_module, "start", fails)
    with pytest.raises(torch.AcceleratorError):
        actor_with(a_task(tmp_path / "trial", cache, {})).step()


def test_a_disk_that_fills_up_is_told_once_however_often_it_is_wrapped(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Any) -> None:
        with told_if_disk_fails():
            raise OSError(28, "No space left on device", "/x/last.safetensors")

    monkeypatch.setattr(trial_module, "start", fails)
    result = actor_with(a_task(tmp_path / "trial", cache, {})).step()
    assert result == {"sweep_stops": f"/x/last.safetensors: {FULL}"}


def test_between_trials_nothing_is_looked_through_but_what_trials_made(tmp_path: Path, cache: Path) -> None:
    code = """
import gc, json, sys
from twinverify.search.trial import TrialActor
actor = TrialActor.__new__(TrialActor)
actor.setup(json.loads(sys.argv[1]))
actor.step()
# torch alone makes ten times as many.
assert gc.get_freeze_count() > 100_000, gc.get_freeze_count()
assert len(gc.get_objects()) < 50_000, len(gc.get_objects())
"""
    task = json.dumps(a_task(tmp_path / "trial", cache, {}))
    done = subprocess.run([sys.executable, "-c", code, task], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_report_tells_what_its_epoch_took_also_when_it_is_told_again(tmp_path: Path, cache: Path) -> None:
    task = a_task(tmp_path / "trial", cache, {})
    started = time.perf_counter()
    took = actor_with(task).step()["metrics"][EPOCH_SECONDS]
    assert 0 < took < time.perf_counter() - started
    assert actor_with(task).step()["metrics"][EPOCH_SECONDS] == took


@pytest.mark.parametrize(("error", "cause"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("written", [True, False], ids=["", "without a folder"])
def test_a_failure_is_a_result_in_words_and_the_whole_of_it_lies_in_the_trials_folder(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, cause: str, written: bool
) -> None:
    def fails(_: Any) -> None:
        raise error

    monkeypatch.setattr(trial_module, "start", fails)
    actor = actor_with(a_task(tmp_path / "trial", cache, {}))
    if not written:
        (tmp_path / "trial").rmdir()
    result = actor.step()
    assert result.keys() == {"failed"}
    assert cause in result["failed"]
    assert "\n" not in result["failed"]
    if written:
        told = (tmp_path / "trial" / "error.txt").read_text()
        assert told.startswith("Traceback")
        assert type(error).__name__ in told
        assert str(error) in told


def test_out_of_memory_names_three_ways_out(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trial_module, "start", fails)
    told = actor_with(a_task(tmp_path, cache, {})).step()["failed"]
    assert all(key in told for key in ("gpus_per_trial", "batch.people", "model.image_size"))


@pytest.mark.parametrize(("data", "allowed"), [("synthetic", True), ("/data/nd_twins", False)])
def test_faces_are_drawn_beside_the_attention_of_synthetic_people_only(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, data: str, allowed: bool
) -> None:
    synthetic = trial_module._data("synthetic", None, str(cache), trial_module._data_settings(_config()))
    told: dict[str, Any] = {}
    monkeypatch.setattr(trial_module, "_data", lambda *_: synthetic)
    monkeypatch.setattr(trial_module, "_facts", lambda *_: [])
    monkeypatch.setattr(loop, "fit", lambda *_, **options: told.update(options) or iter(()))
    trial_module.start(a_task(tmp_path / "trial", cache, {}) | {"data": data})  # type: ignore[arg-type]
    assert told["photographs"] is allowed


def _config() -> Any:
    return with_values(load_config("tiny"), SMALL)
