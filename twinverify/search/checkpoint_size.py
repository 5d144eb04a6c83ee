"""How large a configuration's checkpoints will be, by arithmetic: torch takes seconds to import."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from twinverify.settings import Config, LossSettings, ModelSettings

#: Backbones that are plain ViTs: an MLP of four times the width, a bias everywhere, no norms on queries and keys.
_PLAIN: Final = re.compile(r"^(?:deit|deit3|vit)_(?:tiny|small|base|large)_patch\d+_(?:\d+|(?:reg4_)?dinov2)(?:\.|$)")
#: A tensor's name, type, shape and place in the header.
_ENTRY: Final = 100
#: What is told beside the tensors: the settings (2.1 kB), and an epoch's metrics (450 to 600 B, quotes escaped).
_SETTINGS: Final = 2_600
_REPORT: Final = 600

Sizes = tuple[int, ...]


class CheckpointSize(NamedTuple):
    """Bytes of the two kinds of checkpoints, that of the last state after the last epoch."""

    last: int
    best: int


class _Backbone(NamedTuple):
    """Numbers of elements of the tensors of a backbone, part by part."""

    stem: Sizes  # tokens, positions, patch embedding
    block: Sizes
    depth: int
    norm: Sizes


def checkpoint_size(config: Config, identities: int) -> CheckpointSize:
    """Give the size of a training's checkpoints, within a few per cent.

    Args:
        config: the whole configuration.
        identities: number of people in the training set.
    """
    backbone = _backbone(config.model)
    frozen = config.model.frozen_blocks
    beside = (*_glca(config.model, backbone), *_necks(config.model))
    blocks = backbone.block * backbone.depth
    model = (*backbone.stem, *blocks, *backbone.norm, *beside)
    at_rest = (*backbone.stem, *backbone.block * frozen) if frozen else ()
    heads, buffers = _loss(config, identities)
    trained = sum(model) - sum(at_rest) + sum(heads), len(model) - len(at_rest) + len(heads)
    # Adam's two moments and its count of steps; SGD's momentum.
    optimizer = (2 * trained[0] + trained[1], 3 * trained[1]) if config.train.optimizer != "sgd" else trained
    average = (sum(model), len(model)) if config.train.ema is not None else (0, 0)
    weights = sum(model), len(model)
    loss = sum(heads) + sum(buffers), len(heads) + len(buffers)
    told = _SETTINGS + _REPORT * config.train.epochs
    return CheckpointSize(_bytes(weights, loss, average, optimizer) + told, _bytes(weights) + _SETTINGS + _REPORT)


def _bytes(*parts: tuple[int, int]) -> int:
    """Give the bytes of parts of so many float32 elements in so many tensors; also under mixed precision."""
    return sum(4 * elements + _ENTRY * tensors for elements, tensors in parts)


def _backbone(model: ModelSettings) -> _Backbone:
    name = model.backbone
    if not _PLAIN.match(name):
        return _by_timm(name, model.shape())
    width, depth, _, patch, image = model.shape()
    registers = 4 if "_reg4_" in name else 0
    is_deit3 = name.startswith("deit3")
    # Their class token has no position.
    positions = (image // patch) ** 2 + (0 if registers or is_deit3 else 1)
    stem = (width, *([registers * width] if registers else []), positions * width, 3 * patch**2 * width, width)
    scales = (width, width) if is_deit3 or "dinov2" in name else ()
    norm = (width, width)
    attention = (3 * width**2, 3 * width, width**2, width)
    mlp = (4 * width**2, 4 * width, 4 * width**2, width)
    return _Backbone(stem, (*norm, *attention, *norm, *mlp, *scales), depth, norm)


@cache
def _by_timm(name: str, shape: tuple[int, ...]) -> _Backbone:
    """Ask timm itself: exact for every name, and its shape has been asked there already."""
    import torch

    from twinverify.model.vit import build_backbone

    width, depth, heads, patch, image = shape
    sizes = {"width": width, "depth": depth, "heads": heads, "patch_size": patch, "image_size": image}
    settings = ModelSettings.model_validate({"backbone": name, **sizes, "glca": {"blocks": 0}, "pwca": {"blocks": 0}})
    with torch.device("meta"):
        found = {key: tensor.numel() for key, tensor in build_backbone(settings).state_dict().items()}
    block = tuple(size for key, size in found.items() if key.startswith("blocks.0."))
    norm = tuple(size for key, size in found.items() if key.startswith("norm."))
    stem = tuple(size for key, size in found.items() if not key.startswith(("blocks.", "norm.")))
    return _Backbone(stem, block, depth, norm)


def _glca(model: ModelSettings, backbone: _Backbone) -> Sizes:
    blocks = model.glca.blocks
    return (*backbone.block * blocks, *backbone.norm) if blocks else ()


def _necks(model: ModelSettings) -> Sizes:
    if model.embedding_width is None:
        return ()
    neck = (model.shape().width * model.embedding_width, model.embedding_width)
    return neck * (2 if model.glca.blocks else 1)


def _loss(config: Config, identities: int) -> tuple[Sizes, Sizes]:
    """Give the sizes of what trains in the loss, and of what is only counted there."""
    settings, width = config.loss, config.model.embedding_width or config.model.shape().width
    used = [
        name for name in _branches(config.model) if settings.branches.weighting == "learnt" or _fixed(settings, name)
    ]
    trained, counted = [1] * len(used) if settings.branches.weighting == "learnt" else [], []
    if settings.identity.weight:
        for _ in {"sa" if name == "pwca" else name for name in used}:
            trained += [identities * width, identities] if settings.identity.head == "softmax" else [identities * width]
            counted += [1, 1, 1] if settings.identity.head == "adaface" else []
    if settings.pair.bce_weight or settings.pair.focal_weight:
        trained += [1, 1] * len(used)
    return tuple(trained), tuple(counted)


def _branches(model: ModelSettings) -> Iterator[str]:
    yield "sa"
    if model.glca.blocks:
        yield "glca"
    if model.pwca.blocks:
        yield "pwca"


def _fixed(settings: LossSettings, branch: str) -> float:
    return {"sa": 1.0, "glca": settings.branches.glca, "pwca": settings.branches.pwca}[branch]
