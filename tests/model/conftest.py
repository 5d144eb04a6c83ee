"""Tiny models: 16 patches, width 48, two or three blocks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from twinverify.config import with_values
from twinverify.model.dcal import Branches, Dcal
from twinverify.model.distractors import draw_distractors
from twinverify.model.losses import DcalLoss
from twinverify.settings import Config

TINY = {
    "model.image_size": 32,
    "model.patch_size": 8,
    "model.width": 48,
    "model.depth": 3,
    "model.heads": 3,
    "model.pwca.blocks": 2,
}


class Batch(NamedTuple):
    """Four people of two families, three images each."""

    images: Tensor
    person: Tensor
    family: Tensor


class Step(NamedTuple):
    """One training step, before the optimizer."""

    model: Dcal
    loss: DcalLoss
    branches: Branches
    total: Tensor
    parts: dict[str, Tensor]

    def weights(self) -> dict[str, nn.Parameter]:
        """Give every weight of model and loss by name."""
        return dict(self.model.named_parameters("model")) | dict(self.loss.named_parameters("loss"))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def tiny() -> Callable[..., Config]:
    """Give a function that makes the configuration of a tiny model.

    It takes a dictionary of dotted keys, and the keys below `model` as keywords with `__` for the dots.
    """

    def make(values: dict[str, Any] | None = None, **model: Any) -> Config:
        dotted = {f"model.{key.replace('__', '.')}": value for key, value in model.items()}
        return with_values(Config(), TINY | dotted | (values or {}))

    return make


@pytest.fixture
def batch() -> Batch:
    """Give random images; every person has a twin in the batch."""
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    return Batch(images, torch.arange(12) // 3, torch.arange(12) // 6)


@pytest.fixture
def step(batch: Batch) -> Callable[[Config], Step]:
    """Give a function that runs forward and backward of one training step from seed 0."""

    def run(config: Config) -> Step:
        torch.manual_seed(0)
        model = Dcal(config.model)
        loss = DcalLoss(config.loss, model.branches, model.embedding_width, identities=4)
        torch.manual_seed(1)
        lots = torch.Generator().manual_seed(2)
        distractor = draw_distractors(config.model.pwca, batch.person, batch.family, lots)
        branches = model(batch.images, distractor)
        total, parts = loss(branches, batch.person)
        total.backward()
        return Step(model, loss, branches, total.detach(), parts)

    return run


@pytest.fixture
def shaken() -> Callable[[nn.Module], nn.Module]:
    """Give a function that adds noise to every weight: zeros, ones and layer scales of 1e-5 would hide mistakes."""

    def shake(module: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for weight in module.parameters():
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        return module

    return shake
