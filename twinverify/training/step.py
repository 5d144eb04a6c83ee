"""One update of the weights from one or more batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from twinverify.training.divergence import TrainingDiverged, find_cause, find_gradient
from twinverify.training.learner import Learner

# float16's scale starts at 2^16 and halves at each skipped update: after so many in a row no scale would help.
SKIPS_ALLOWED = 20


@dataclass(frozen=True)
class Batch:
    """Images (B, 3, S, S) float32 in [0, 1], identity (B,), distractor (B,) or None; all on the training device."""

    images: Tensor
    identity: Tensor
    distractor: Tensor | None


@dataclass(frozen=True)
class StepResult:
    """What an update did, still on the device.

    Attributes:
        total: (k,) total loss of each of the k batches.
        parts: for each batch its loss by branch.
        gradient_norm: norm of the whole gradient before clipping.
        skipped: float16 overflowed, so the weights stayed as they were.
    """

    total: Tensor
    parts: list[dict[str, Tensor]]
    gradient_norm: Tensor
    skipped: bool


def gradient_step(learner: Learner, batches: Iterable[Batch], count: int, epoch: int) -> StepResult:
    """Update the weights once, by the mean of the batches' gradients.

    Args:
        learner: changed in place.
        batches: the batches, taken one at a time: memory is that of one.
        count: how many batches come.
        epoch: for the error.

    Raises:
        TrainingDiverged: an embedding, loss or gradient is NaN or infinite. Under float16 an infinite gradient is
            the scaler's business, unless it stays for `SKIPS_ALLOWED` updates in a row.
    """
    learner.optimizer.zero_grad(set_to_none=True)
    forwards = [_backward(learner, batch, share=1 / count) for batch in batches]
    learner.scaler.unscale_(learner.optimizer)
    norm = _clip(learner)
    total = torch.stack([forward.total for forward in forwards])
    skipped = not bool(torch.cat([total, norm[None]]).isfinite().all())  # the only wait for the GPU in an update
    if skipped:
        _check(learner, forwards, epoch)
    learner.skipped = learner.skipped + 1 if skipped else 0
    learner.scaler.step(learner.optimizer)
    learner.scaler.update()
    learner.updates += 1
    if learner.ema is not None:
        learner.ema.update(learner.model, step=learner.updates)
    return StepResult(total, [forward.parts for forward in forwards], norm, skipped)


class _Forward(NamedTuple):
    embeddings: dict[str, Tensor]
    total: Tensor
    parts: dict[str, Tensor]


def _backward(learner: Learner, batch: Batch, share: float) -> _Forward:
    with learner.hardware.autocast():
        branches = learner.model(batch.images, batch.distractor)
    total, parts = learner.loss(branches, batch.identity)
    learner.scaler.scale(total * share).backward()
    embeddings = {name: embedding.detach() for name, embedding in branches.items()}
    return _Forward(embeddings, total.detach(), parts)


def _clip(learner: Learner) -> Tensor:
    """Shorten the gradient to the allowed norm; give the norm it had."""
    weights = learner.parameters()
    if learner.config.train.clip is None:
        return torch.nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    return torch.nn.utils.clip_grad_norm_(weights, learner.config.train.clip)


def _check(learner: Learner, forwards: Sequence[_Forward], epoch: int) -> None:
    for embeddings, total, parts in forwards:
        cause = find_cause(embeddings, parts, total)
        if cause:
            raise TrainingDiverged(epoch, cause)
    if not learner.scaler.is_enabled():
        raise TrainingDiverged(epoch, find_gradient(learner.modules))
    if learner.skipped + 1 >= SKIPS_ALLOWED:
        raise TrainingDiverged(epoch, f"{find_gradient(learner.modules)} in {SKIPS_ALLOWED} updates in a row (fp16)")
