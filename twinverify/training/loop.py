"""One training run, an epoch at a time."""

import logging
import math
import time
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

from twinverify.errors import UserError
from twinverify.faces.faceset import FaceSet
from twinverify.settings import Config
from twinverify.training.alone import only_writer
from twinverify.training.checkpoint import identity_of, load_last, save_epoch
from twinverify.training.device import check_device
from twinverify.training.divergence import TrainingDiverged
from twinverify.training.epoch import train_epoch
from twinverify.training.evaluate import Validation, validate
from twinverify.training.learner import Learner
from twinverify.training.looks import keep_look, mend_look
from twinverify.training.randomness import own_process_state
from twinverify.training.report import EpochReport, best_epoch
from twinverify.training.scores import keep_scores, mend_scores
from twinverify.verification.objective import RANKING_METRICS, higher_is_better
from twinverify.verification.pairs import BadEmbeddingsError

__all__ = ["EpochReport", "TrainingDiverged", "fit"]

_log = logging.getLogger(__name__)


def fit(
    config: Config,
    train: FaceSet,
    validation: FaceSet,
    *,
    folder: Path | None = None,
    objective: str = "val/twin_eer",
    photographs: bool = False,
) -> Generator[EpochReport, None, None]:
    """Train a model and yield a report after each epoch.

    On a CPU the reports (but for images per second) are the same to the last digit in each run with the same arguments
    and number of threads, whatever the process did before, and whether the run was interrupted after an epoch or not.
    Between two reports the process has its own random state and gradient mode back.

    Args:
        config: the whole configuration.
        train: the faces to train on.
        validation: the faces to judge by, of other families.
        folder: where last and best checkpoint, the best epoch's scores and what its model looks at are written after
            each epoch, before it is reported; a training that it holds already is taken up after its last epoch. It is
            held against other processes until the training ends or the generator is closed. None: nothing is written.
        objective: the metric by which the best checkpoint is chosen.
        photographs: whether the faces may be drawn beside what the model looks at; never those of real people.

    Yields:
        One report an epoch; of a training that is taken up, first those of the epochs that it has behind it: a kill
        can have come between an epoch's checkpoint and whoever wanted its report.

    Raises:
        UserError: the objective cannot be measured on these faces, the device is not to be had, the folder holds
            another training, or another process trains in it.
        TrainingDiverged: NaN or infinity, with the epoch and the cause.
    """
    _check_objective(objective)
    check_device(config)
    identity = identity_of(config, train, objective)
    with nullcontext() if folder is None else only_writer(folder):
        with own_process_state(config.seed, epoch=0):
            learner = Learner(config, len(train.person_ids))
            reports = [] if folder is None else load_last(folder, learner, identity)
            if folder is not None and reports:
                _log.info("taken up after epoch %d", len(reports))
                mend_scores(folder, validation, learner.hardware)
                mend_look(folder, validation, learner.hardware, photographs=photographs)
        yield from tuple(reports)
        for epoch in range(len(reports) + 1, config.train.epochs + 1):
            with own_process_state(config.seed, epoch):
                report, measured = _run_epoch(learner, train, validation, epoch)
                _check_measured(objective, report)
                reports.append(report)
                if folder is not None:
                    save_epoch(folder, learner, identity, reports)
                    if best_epoch(reports, objective) == epoch:
                        keep_scores(folder, measured, epoch)
                        keep_look(folder, learner.judged, validation, learner.hardware, epoch, photographs=photographs)
                del measured  # the next epoch needs the room
                _log.info("epoch %d of %d: %s", epoch, config.train.epochs, _told(report))
            yield report


def _run_epoch(learner: Learner, train: FaceSet, validation: FaceSet, epoch: int) -> tuple[EpochReport, Validation]:
    started = time.perf_counter()
    metrics = train_epoch(learner, train, epoch)
    try:
        measured = validate(learner.judged, validation, learner.hardware)
    except BadEmbeddingsError as error:
        raise TrainingDiverged(epoch, f"validation {error}") from error
    metrics |= {f"val/{name}": value for name, value in measured.metrics.items()}
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return EpochReport(epoch, finite, time.perf_counter() - started), measured


def _told(report: EpochReport) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())


def _check_objective(objective: str) -> None:
    if not objective.startswith("val/"):
        # The training loss can be lowered by other means than better verification, and may be negative.
        raise UserError(f"objective {objective}: only a validation metric ranks trainings, such as val/twin_eer")
    higher_is_better(objective)


def _check_measured(objective: str, report: EpochReport) -> None:
    if objective in report.metrics:
        return
    known = [name for name in report.metrics if name in RANKING_METRICS]
    if not known:
        raise UserError(
            "validation faces: nothing can be measured; two people with two images each are needed at least"
        )
    raise UserError(f"objective {objective}: these validation faces do not give it; measured: {', '.join(known)}")
