"""The backbone: a timm VisionTransformer with a class token, sized, loaded and frozen as the settings say."""

from typing import Any

import timm
from timm.layers.attention import Attention
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor

from twinverify.errors import UserError
from twinverify.model.weights import load_weights
from twinverify.settings import ModelSettings


def build_backbone(settings: ModelSettings) -> VisionTransformer:
    """Build the SA branch without a classifier.

    Raises:
        UserError: the model is of another kind, or its weights cannot be had or do not fit.
    """
    backbone = _create(settings)
    _check_kind(backbone, settings.backbone)
    if settings.weights is not None:
        load_weights(backbone, settings.weights)
    _freeze(backbone, settings.frozen_blocks)
    return backbone


def embed_patches(backbone: VisionTransformer, images: Tensor) -> Tensor:
    """Give the tokens (B, T, D) that enter the first block: class token, registers, patches, with their positions."""
    tokens = backbone._pos_embed(backbone.patch_embed(images))
    entered: Tensor = backbone.norm_pre(backbone.patch_drop(tokens))
    return entered


def _create(settings: ModelSettings) -> VisionTransformer:
    sizes = {
        "img_size": settings.image_size,
        "patch_size": settings.patch_size,
        "embed_dim": settings.width,
        "depth": settings.depth,
        "num_heads": settings.heads,
    }
    arguments: dict[str, Any] = {name: size for name, size in sizes.items() if size is not None}
    # Class token pooling: the norm then stands before the pooling, and models pooled by mean lose their `fc_norm`.
    arguments |= {"num_classes": 0, "global_pool": "token"}
    arguments |= {"drop_path_rate": settings.drop_path, "proj_drop_rate": settings.dropout}
    try:
        model = timm.create_model(settings.backbone, pretrained=settings.pretrained, **arguments)
    except Exception as error:  # the hub, its HTTP client and timm raise a dozen unrelated kinds
        if not settings.pretrained:
            raise
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"model.pretrained: timm's weights of {settings.backbone} cannot be fetched or do not fit the sizes set "
            f"({cause}); pass a local file with model.weights=FILE"
        ) from error
    if not isinstance(model, VisionTransformer):
        name = settings.backbone
        raise UserError(f"model.backbone: {name} is not a VisionTransformer; try vit_small_patch16_224")
    return model


def _check_kind(backbone: VisionTransformer, name: str) -> None:
    """Refuse what would be computed wrongly: no class token, or blocks of another order than timm's plain one."""
    if backbone.cls_token is None:
        raise UserError(f"model.backbone: {name} has no class token; try vit_small_patch16_224")
    blocks: Any = backbone.blocks
    for block in blocks:
        plain = type(block) is Block and type(block.attn) is Attention and block.attn.gate is None
        if not plain or block.attn.attn_dim != backbone.embed_dim:
            raise UserError(f"model.backbone: {name} has other blocks than a plain ViT; try vit_small_patch16_224")


def _freeze(backbone: VisionTransformer, blocks: int) -> None:
    """Take the first blocks, and all that comes before them, out of training."""
    if blocks == 0:
        return
    for name, parameter in backbone.named_parameters():
        if not name.startswith(("blocks.", "norm.")):  # patches, class token, registers, positions, norm_pre
            parameter.requires_grad_(False)
    backbone.blocks[:blocks].requires_grad_(False)
