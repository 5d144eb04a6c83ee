"""What a forward and backward pass would do: counted on shapes alone, so a large model takes no time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from twinverify.config import with_values
from twinverify.model.dcal import Dcal
from twinverify.settings import Config

IMAGES = 4
#: The fused attention of a CPU, which torch does not count by itself.
FUSED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda query, key, value, *_, **__: sdpa_flop_count(
        query, key, value
    ),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        lambda grad, query, key, value, *_, **__: sdpa_backward_flop_count(grad, query, key, value)
    ),
}


@dataclass(frozen=True)
class Counts:
    """Of one forward and backward pass."""

    flops: int
    kept: int  # bytes that the backward pass needs of the forward pass, weights left out
    calls: int  # operations
    largest: int  # elements of the largest tensor that any of them gives


def bare(model: str, size: int) -> Counts:
    """Count timm's ViT without a classifier."""

    backbone = timm.create_model(model, num_classes=0, img_size=size)
    return _count(backbone, lambda: backbone(torch.rand(IMAGES, 3, size, size)))


def dcal(model: str, size: int, **values: Any) -> Counts:
    """Count DCAL in the paper's proportions: one GLCA block, R 0.1, PWCA in every block."""
    config = with_values(Config(), {"model.backbone": model, "model.image_size": size, "model.pwca.blocks": 0})
    shape = config.model.shape()
    paper = {"model.pwca.blocks": shape.depth, "model.glca.heads": shape.heads, "model.glca.local_ratio": 0.1}
    config = with_values(config, paper | values)
    built = Dcal(config.model)

    def forward() -> torch.Tensor:
        branches = built(torch.rand(IMAGES, 3, size, size), torch.arange(IMAGES).roll(1))
        return torch.cat([embedding for _, embedding in branches.items()])

    return _count(built, forward)


def _count(model: torch.nn.Module, forward: Callable[[], torch.Tensor]) -> Counts:
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage().nbytes()
        return tensor

    with FakeTensorMode(allow_non_fake_inputs=True):
        model.train().to_empty(device="cpu")
        with FlopCounterMode(display=False, custom_mapping=FUSED) as flops, _Calls() as calls:
            with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
                given = forward()
            given.sum().backward()
        for weight in model.parameters():
            kept.pop(weight.untyped_storage()._cdata, None)
    return Counts(flops.get_total_flops(), sum(kept.values()), calls.number, calls.largest)


class _Calls(TorchDispatchMode):
    """Counts operations that compute, and the elements of the largest result."""

    def __init__(self) -> None:
        super().__init__()
        self.number = self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        self.number += func.namespace == "aten" and not func.is_view and func is not torch.ops.aten.detach.default
        for part in given if isinstance(given, tuple | list) else (given,):
            if isinstance(part, torch.Tensor):
                self.largest = max(self.largest, part.numel())
        return given
