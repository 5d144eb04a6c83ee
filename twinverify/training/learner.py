"""All that changes while a model trains: weights, their average, optimizer state and the counts of updates."""

from typing import Any

import torch
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn

from twinverify.model.dcal import Dcal
from twinverify.model.losses import DcalLoss
from twinverify.settings import Config
from twinverify.training.device import choose_hardware
from twinverify.training.optim import make_optimizer, make_schedule

Tensors = dict[str, Tensor]


class Learner:
    """One model in training.

    The learning rate, data order and random numbers are functions of the configuration and the epoch, so they are no
    part of its state.
    """

    def __init__(self, config: Config, identities: int) -> None:
        """Build model, loss, optimizer; initial weights come from torch's global random state.

        Args:
            config: the whole configuration.
            identities: number of people in the training set.

        Raises:
            UserError: the device, the precision or the backbone is not to be had.
        """
        self.config = config
        self.hardware = choose_hardware(config.train)
        self.model = Dcal(config.model).to(self.hardware.device)
        width = self.model.embedding_width
        self.loss = DcalLoss(config.loss, self.model.branches, width, identities).to(self.hardware.device)
        self.optimizer = make_optimizer(self.model, self.loss, config.train)
        self.schedule = make_schedule(self.optimizer, config.train)
        self.ema = self._average(config.train.ema)
        self.scaler = torch.amp.GradScaler(self.hardware.device.type, enabled=self.hardware.scaled)
        self.updates = 0
        self.skipped = 0  # updates in a row that float16's scaler left out

    @property
    def judged(self) -> Dcal:
        """The model to validate and keep: the averaged one where averaging is on."""
        return self.model if self.ema is None else self.ema.module

    @property
    def modules(self) -> tuple[tuple[str, nn.Module], ...]:
        """What has weights that train, by name."""
        return ("model", self.model), ("loss", self.loss)

    def parameters(self) -> list[nn.Parameter]:
        """Give the weights that train."""
        return [weight for group in self.optimizer.param_groups for weight in group["params"]]

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Give the state as flat tensors (not copied) and JSON values."""
        tensors = _prefixed("model.", self.model.state_dict()) | _prefixed("loss.", self.loss.state_dict())
        if self.ema is not None:
            tensors |= _prefixed("ema.", self.ema.module.state_dict())
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= _prefixed(f"optimizer.{index}.", {k: v for k, v in values.items() if v is not None})
        return tensors, {"updates": self.updates, "skipped": self.skipped, "scaler": self.scaler.state_dict()}

    def restore(self, tensors: Tensors, values: dict[str, Any]) -> None:
        """Take up a state that `state` gave."""
        self.model.load_state_dict(_below("model.", tensors))
        self.loss.load_state_dict(_below("loss.", tensors))
        if self.ema is not None:
            self.ema.module.load_state_dict(_below("ema.", tensors))
        slots: dict[int, Tensors] = {}
        for name, value in _below("optimizer.", tensors).items():
            index, key = name.split(".", 1)
            slots.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
        self.updates, self.skipped = values["updates"], values["skipped"]
        self.scaler.load_state_dict(values["scaler"])

    def _average(self, decay: float | None) -> ModelEmaV3 | None:
        # With timm's warm-up the decay is at most 1 - (1 + updates)^(-2/3): 0.95 after 100 updates, so a short run's
        # average is one of its last weights, not of its random first ones.
        return None if decay is None else ModelEmaV3(self.model, decay=decay, use_warmup=True)


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _below(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
