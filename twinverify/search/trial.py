"""What runs in a Ray actor: one trial after the other, an epoch a step."""

import contextlib
import logging
import traceback
from collections.abc import Generator
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ray import tune

from twinverify.durable import disk_trouble
from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.faces.load import SYNTHETIC
from twinverify.search.data_digest import data_digest
from twinverify.search.data_facts import side_facts, write_facts
from twinverify.search.record import EPOCH_SECONDS
from twinverify.search.run_files import GRAPH_FILE
from twinverify.search.surroundings import note_surroundings
from twinverify.settings import Config, ModelSettings
from twinverify.training.alone import FolderError
from twinverify.training.log import logged

if TYPE_CHECKING:
    from twinverify.faces.load import Data
    from twinverify.tracking.dataset import SideFacts
    from twinverify.training.loop import EpochReport

_log = logging.getLogger(__name__)


class TrialTask(TypedDict):
    """What an actor is told of a trial; plain values only, so that Ray has nothing of ours to pickle."""

    trial: int
    folder: str
    config: dict[str, Any]
    data: str
    pairs: str | None
    cache: str
    objective: str
    threads: int
    #: Whether the model's graph is wanted.
    graph: bool


class TrialActor(tune.Trainable):
    """Runs `training.fit`; a failure of the training is a result, not an exception, since Ray would only retry it."""

    def setup(self, config: TrialTask) -> None:  # type: ignore[override]
        """Take up a trial: also the first of a new actor."""
        prepare()
        self._task = config
        self._reports: Generator[EpochReport, None, None] | None = None

    def step(self) -> dict[str, Any]:
        """Train one epoch; gives its number and metrics, or the cause of the failure."""
        with logged(Path(self._task["folder"])):
            return self._step()

    def _step(self) -> dict[str, Any]:
        from twinverify.training.device import gpu_id

        try:
            if self._reports is None:
                self._reports = start(self._task)
            report = next(self._reports)
        except Exception as error:
            if _lost_its_gpu(error):
                raise
            stops = _stops_sweep(error, self._task["folder"])
            told = {"sweep_stops": stops} if stops else {"failed": self._cause(error)}
            # They hold the model, whose memory another trial of this GPU may be waiting for.
            traceback.clear_frames(error.__traceback__)
            self._drop()
            return told
        return {"epoch": report.epoch, "metrics": dict(report.metrics) | _resources(report), "gpu": gpu_id()}

    def reset_config(self, new_config: TrialTask) -> bool:  # type: ignore[override]
        """Take up the next trial in this actor, with nothing left of the last."""
        self._drop()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        """Let go of the model."""
        self._drop()

    def _drop(self) -> None:
        import gc

        import torch

        if self._reports is not None:
            self._reports.close()
        self._reports = None
        gc.collect()
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def _cause(self, error: Exception) -> str:
        import torch

        from twinverify.training.loop import TrainingDiverged

        _log.error("the training failed", exc_info=error)
        with contextlib.suppress(OSError):
            (Path(self._task["folder"]) / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        if isinstance(error, TrainingDiverged):
            return f"epoch {error.epoch}: {error.cause}"
        if isinstance(error, torch.OutOfMemoryError):
            return "out of GPU memory: a larger gpus_per_trial, fewer batch.people, or a smaller model.image_size helps"
        return f"{type(error).__name__}: {error}".splitlines()[0]


@cache
def _freeze() -> None:
    """Take what is loaded out of the garbage collector's sight, for good: each trial's end would take half a second."""
    import gc

    gc.collect()
    gc.freeze()


def start(task: TrialTask) -> "Generator[EpochReport, None, None]":
    """Begin, or go on with, the training that `task` describes."""
    import torch

    from twinverify.training.loop import fit

    _freeze()
    torch.set_num_threads(task["threads"])
    config = Config.model_validate(task["config"])
    which = task["data"], task["pairs"], task["cache"], _data_settings(config)
    try:
        data, facts = _data(*which), _facts(*which)
    except UserError as error:
        # The same data was whole when the sweep started.
        raise FolderError(str(error)) from error
    folder = Path(task["folder"])
    note_surroundings(folder)
    write_facts(folder, facts)
    if task["graph"]:
        from twinverify.training.graph import write_graph

        write_graph(folder / GRAPH_FILE, config.model)
    return fit(
        config,
        data.train,
        data.validation,
        folder=folder,
        objective=task["objective"],
        photographs=task["data"] == SYNTHETIC,
    )


def _lost_its_gpu(error: Exception) -> bool:
    """Say whether CUDA is of no more use to this process; another worker goes on with the trial."""
    import torch

    return isinstance(error, torch.AcceleratorError)


def _stops_sweep(error: Exception, folder: str) -> str | None:
    """Give the line with which the sweep stops where the trial is not to blame, and each other one would fail too."""
    reason = disk_trouble(error)
    if isinstance(error, FolderError) or (reason and isinstance(error, UserError)):
        return str(error)
    what = getattr(error, "filename", None) or folder
    if reason:
        return f"{what}: cannot be written ({reason}); make room and continue the sweep: nothing is lost"
    if isinstance(error, OSError):  # a share that went away, too many open files
        return f"{what}: {error.strerror or error}; mend that and continue the sweep: nothing is lost"
    return None


def _data_settings(config: Config) -> str:
    """Give what of a configuration decides its data, hashable: trials that agree in it share one loading."""
    shape = config.model.shape()
    # The patch decides nothing here, but the image size has to be a multiple of it.
    model = ModelSettings(image_size=shape.image_size, patch_size=shape.patch_size)
    return Config(model=model, split=config.split, synthetic=config.synthetic).model_dump_json()


@lru_cache(maxsize=2)
def _data(data: str, pairs: str | None, cache: str, settings: str) -> "Data":
    from twinverify.faces.load import load_data

    return load_data(data, Config.model_validate_json(settings), Path(cache), Path(pairs) if pairs else None)


@lru_cache(maxsize=2)
def _facts(data: str, pairs: str | None, cache: str, settings: str) -> "list[SideFacts]":
    split = _data(data, pairs, cache, settings).split
    return side_facts(split, data_digest(split, None if data == SYNTHETIC else Path(cache)))


def _resources(report: "EpochReport") -> dict[str, float]:
    """Give this process's memory in MiB (resident, and the GPU's peak), and what an epoch took that was trained now."""
    import psutil
    import torch

    used = {"system/memory_mib": psutil.Process().memory_info().rss / 2**20}
    if report.seconds is not None:
        used[EPOCH_SECONDS] = report.seconds
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        used["system/gpu_memory_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return used
