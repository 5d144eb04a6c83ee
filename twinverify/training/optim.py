"""Parameter groups, optimizer and learning-rate schedule, by timm's factories."""

from collections.abc import Iterable
from typing import Any

import torch
from timm.optim import create_optimizer_v2, param_groups_layer_decay, param_groups_weight_decay  # type: ignore[attr-defined]
from timm.scheduler import CosineLRScheduler, StepLRScheduler  # type: ignore[attr-defined]
from timm.scheduler.scheduler import Scheduler
from torch import nn

from twinverify.model.dcal import Dcal
from twinverify.settings import TrainSettings

# The schedule's clock counts millionths of the run, so it does not depend on how many updates an epoch has.
_RUN = 1_000_000


def make_optimizer(model: Dcal, loss: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """Give timm's optimizer over all that trains.

    Args:
        model: its backbone gets the learning rate with layer decay: the last of the L blocks and the final norm
            whole, each block before it `layer_decay` times the next, tokens and patch embedding `layer_decay ** L`.
            What else the model has (GLCA, necks) gets `head_lr_factor`.
        loss: its parameters (identity heads, learnt weights, scales) get `head_lr_factor`.
        settings: optimizer, lr, weight_decay, layer_decay, head_lr_factor.

    Returns:
        An optimizer whose groups carry their factor as `lr_scale`, which timm's schedulers multiply in. Biases, norms,
        class token, position embedding and scalars (learnt weights, scale, bias) do not decay; frozen weights are in
        no group.
    """
    in_backbone = {id(weight) for weight in model.backbone.parameters()}
    others = [weight for weight in (*model.parameters(), *loss.parameters()) if id(weight) not in in_backbone]
    groups = _backbone_groups(model.backbone, settings) + _head_groups(others, settings)
    return create_optimizer_v2(groups, opt=settings.optimizer, lr=settings.lr, momentum=0.9)


def make_schedule(optimizer: torch.optim.Optimizer, settings: TrainSettings) -> Scheduler:
    """Give the course of the learning rate: linear warm-up, then a cosine to 0 at the end of the run, or constant.

    Step it by `set_progress`.
    """
    warmup = round(_RUN * settings.warmup)
    if settings.schedule == "constant":
        return StepLRScheduler(optimizer, decay_t=10 * _RUN, warmup_t=warmup, t_in_epochs=False)
    return CosineLRScheduler(optimizer, t_initial=_RUN - warmup, warmup_t=warmup, warmup_prefix=True, t_in_epochs=False)


def set_progress(schedule: Scheduler, progress: float) -> None:
    """Set every group's learning rate for a share 0 .. 1 of the run.

    The middle of an update is the right share for it: at its beginning the first update of a warm-up would have lr 0.
    """
    schedule.step_update(round(_RUN * progress))


def current_lr(optimizer: torch.optim.Optimizer) -> float:
    """Give the learning rate now, without the groups' factors: that of the backbone's last layer."""
    group = optimizer.param_groups[0]
    return float(group["lr"] / group["lr_scale"])


def _backbone_groups(backbone: nn.Module, settings: TrainSettings) -> list[dict[str, Any]]:
    keep: set[str] = backbone.no_weight_decay()  # type: ignore[operator]
    groups: list[dict[str, Any]]
    if settings.layer_decay < 1:
        groups = param_groups_layer_decay(
            backbone, settings.weight_decay, no_weight_decay_list=keep, layer_decay=settings.layer_decay
        )
        return groups
    # The same without a group for each layer: fewer, larger groups step faster.
    groups = param_groups_weight_decay(backbone, settings.weight_decay, no_weight_decay_list=keep)
    return [group | {"lr_scale": 1.0} for group in groups]


def _head_groups(weights: Iterable[nn.Parameter], settings: TrainSettings) -> list[dict[str, Any]]:
    training = [weight for weight in weights if weight.requires_grad]
    decay = {
        settings.weight_decay: [weight for weight in training if weight.ndim > 1],
        0.0: [weight for weight in training if weight.ndim <= 1],
    }
    if not settings.weight_decay:
        decay = {0.0: training}
    return [
        {"params": members, "weight_decay": amount, "lr_scale": settings.head_lr_factor}
        for amount, members in decay.items()
        if members
    ]
