"""One epoch of training: batches of faces in, gradient steps, what happened out."""

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twinverify.faces.faceset import FaceSet
from twinverify.faces.sampling import epoch_batches
from twinverify.model.distractors import draw_distractors
from twinverify.training.augment import augment
from twinverify.training.learner import Learner
from twinverify.training.loading import load_images
from twinverify.training.optim import current_lr, set_progress
from twinverify.training.randomness import generator
from twinverify.training.step import Batch, StepResult, gradient_step

Positions = NDArray[np.int64]


def train_epoch(learner: Learner, faces: FaceSet, epoch: int) -> dict[str, float]:
    """Train one epoch.

    Args:
        learner: changed in place.
        faces: the training set.
        epoch: from 1; with the seed it decides data order, augmentation and distractors.

    Returns:
        `train/loss` and `train/loss_<branch>`: means over the batches; `train/lr`: that of the last update;
        `train/gradient_norm`: mean before clipping; `train/images_per_second`. All but the last are the same in every
        run of the same configuration on the same machine.

    Raises:
        TrainingDiverged: an embedding, loss or gradient is NaN or infinite.
    """
    config = learner.config
    learner.model.train()
    learner.loss.train()
    started, images = time.perf_counter(), 0
    groups = _groups(list(epoch_batches(faces, config.batch, config.seed, epoch)), config.batch.accumulation)
    batches = _Batches(learner, faces, epoch)
    results: list[StepResult] = []
    for done, group in enumerate(groups):
        set_progress(learner.schedule, (epoch - 1 + (done + 0.5) / len(groups)) / config.train.epochs)
        results.append(gradient_step(learner, map(batches.make, group), len(group), epoch))
        images += sum(map(len, group))
    metrics = _summary(results)  # reads from the GPU, so all work is done when the clock is read
    metrics["train/lr"] = current_lr(learner.optimizer)
    metrics["train/images_per_second"] = images / (time.perf_counter() - started)
    return metrics


class _Batches:
    """Makes batches from positions: images loaded and augmented, distractors drawn."""

    def __init__(self, learner: Learner, faces: FaceSet, epoch: int) -> None:
        self.config, self.faces, self.device = learner.config, faces, learner.hardware.device
        self.for_images = generator(self.config.seed, epoch, "augment")
        self.for_distractors = generator(self.config.seed, epoch, "distractors")

    def make(self, positions: Positions) -> Batch:
        images = augment(load_images(self.faces, positions, self.device), self.config.augment, self.for_images)
        person = torch.from_numpy(self.faces.person[positions])
        family = torch.from_numpy(self.faces.family[positions])
        branches = self.config.loss.branches
        counts = branches.weighting == "learnt" or branches.pwca > 0
        distractor = draw_distractors(self.config.model.pwca, person, family, self.for_distractors) if counts else None
        return Batch(images, person.to(self.device), None if distractor is None else distractor.to(self.device))


def _groups(batches: list[Positions], size: int) -> list[list[Positions]]:
    """Split an epoch's batches into updates of `size` batches; the last may have fewer."""
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def _summary(results: Sequence[StepResult]) -> dict[str, float]:
    metrics = {"train/loss": _mean([total for result in results for total in result.total])}
    parts: dict[str, list[Tensor]] = {}
    for batch in (batch for result in results for batch in result.parts):
        for name, loss in batch.items():
            parts.setdefault(name, []).append(loss)
    metrics |= {f"train/loss_{name}": _mean(losses) for name, losses in parts.items()}
    norms = [result.gradient_norm for result in results if not result.skipped]
    return metrics | ({"train/gradient_norm": _mean(norms)} if norms else {})


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).double().mean())
