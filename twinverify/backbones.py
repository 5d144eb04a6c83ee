"""The shape of a backbone, known by its name, so that bad settings are refused before torch is imported."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from twinverify.errors import UserError, did_you_mean

#: Width and heads of the ViT sizes (Dosovitskiy et al. 2021, table 1; Touvron et al. 2021, table 1).
_SIZES = {"tiny": (192, 12, 3), "small": (384, 12, 6), "base": (768, 12, 12), "large": (1024, 24, 16)}
_PATTERN = re.compile(
    r"^(?:deit|deit3|vit)_(tiny|small|base|large)_patch(\d+)_(?:(\d+)|(?:reg4_)?dinov2)(?:\.[\w.]+)?$"
)
#: DINOv2 models are declared at 518 px in timm.
_DINOV2_IMAGE_SIZE = 518


class BackboneShape(NamedTuple):
    """What a timm VisionTransformer of a given name looks like, sizes in pixels."""

    width: int
    depth: int
    heads: int
    patch_size: int
    image_size: int


def backbone_shape(name: str) -> BackboneShape:
    """Give the shape of the timm model `name`.

    Raises:
        UserError: timm has no VisionTransformer with a class token of that name.
    """
    architecture = name.split(".", 1)[0]
    if architecture not in _defined_names():
        raise UserError(f"model.backbone: timm has no ViT {name}; {did_you_mean(architecture, _defined_names())}")
    match = _PATTERN.match(name)
    if match is None:
        return _shape_by_timm(name)
    width, depth, heads = _SIZES[match[1]]
    return BackboneShape(width, depth, heads, int(match[2]), int(match[3] or _DINOV2_IMAGE_SIZE))


@cache
def _defined_names() -> frozenset[str]:
    """Read the names from timm's source: importing timm, and with it torch, takes seconds."""
    spec = find_spec("timm")
    if spec is None or spec.origin is None:
        raise UserError("timm is not installed; install twinverify with its dependencies")
    folder = Path(spec.origin).parent / "models"
    sources = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in ("vision_transformer", "deit"))
    return frozenset(re.findall(r"^def ((?:vit|deit)\w*)\(", sources, re.MULTILINE))


@cache
def _shape_by_timm(name: str) -> BackboneShape:
    """Ask timm itself: exact for every name, but the import takes seconds."""
    import timm
    import torch
    from timm.models.vision_transformer import VisionTransformer

    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False)
    if not isinstance(model, VisionTransformer) or model.cls_token is None:
        raise UserError(f"model.backbone: {name} is no VisionTransformer with a class token; try vit_small_patch16_224")
    patch, image = model.patch_embed.patch_size[0], model.patch_embed.img_size[0]
    block: Any = model.blocks[0]
    if not hasattr(block, "attn"):
        raise UserError(f"model.backbone: the blocks of {name} run in parallel; try vit_base_patch16_224")
    return BackboneShape(model.embed_dim, len(model.blocks), block.attn.num_heads, patch, image)
