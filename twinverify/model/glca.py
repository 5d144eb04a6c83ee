"""Global-local cross-attention (DCAL, section 3.2): the class token and the top-R patches ask, all tokens answer.

Keys and values of every GLCA block come from the last SA block's output, as in the paper, so a query never sees another
query. The class token alone would then be blind to the selection: R, the ranking and the rollout could be anything
without changing it (the first fault of known re-implementations). Hence the branch's feature is the mean of two halves:
the class token, and the mean of the R local tokens. Half and half keeps the class token's share the same for every R.
"""

import copy
from typing import Any

import torch
from timm.layers.attention import Attention
from timm.models import named_apply
from timm.models.vision_transformer import VisionTransformer, get_init_weights_vit
from torch import Tensor, nn

from twinverify.model.attention import cross, project_memory
from twinverify.settings import GlcaSettings


def glca_blocks(backbone: VisionTransformer, settings: GlcaSettings) -> nn.ModuleList:
    """Build the M GLCA blocks: full blocks with their own weights and head count, after the backbone has its weights.

    A head count only says how the width is cut, so a copy works for every one; but a query / key norm is as wide as a
    head, and starts anew where the head counts differ.
    """
    return nn.ModuleList(_block(backbone, settings, index) for index in range(settings.blocks))


def _block(backbone: VisionTransformer, settings: GlcaSettings, index: int) -> nn.Module:
    block: Any = copy.deepcopy(backbone.blocks[-1])
    attn: Attention = block.attn
    if attn.num_heads != settings.heads:
        attn.num_heads, attn.head_dim = settings.heads, attn.attn_dim // settings.heads
        attn.scale = attn.head_dim**-0.5
        for norm in ("q_norm", "k_norm"):
            setattr(attn, norm, _narrowed(getattr(attn, norm), attn.head_dim))
    if settings.init == "random":
        initialise = get_init_weights_vit(backbone.weight_init_mode)
        named_apply(initialise, block, name=f"blocks.{len(backbone.blocks) + index}")
    made: nn.Module = block.requires_grad_(True)  # the copied block may be a frozen one
    return made


def _narrowed(norm: nn.Module, width: int) -> nn.Module:
    if isinstance(norm, nn.Identity):
        return norm
    return type(norm)(width, eps=norm.eps)


def local_count(settings: GlcaSettings, patches: int) -> int:
    """Give R, the number of local queries of N patches: at least one."""
    return min(patches, max(1, round(settings.local_ratio * patches)))


def glca_tokens(blocks: nn.ModuleList, tokens: Tensor, picked: Tensor) -> Tensor:
    """Give class token and local tokens (B, 1 + R, D) after the GLCA blocks, f_GLCA = softmax(Q^l K^g^T / sqrt(d)) V^g.

    Args:
        blocks: the M blocks; the first's queries are the selected tokens, each other's the outputs of the one before.
        tokens: (B, T, D), output of the last SA block: keys and values of every GLCA block.
        picked: (B, R), positions of the local queries among the T tokens.
    """
    places = picked[..., None].expand(-1, -1, tokens.shape[-1])
    local = torch.cat([tokens[:, :1], tokens.gather(1, places)], dim=1)  # (B, 1 + R, D)
    for block in blocks:
        key, value = project_memory(block.attn, block.norm1(tokens))  # type: ignore[operator,arg-type]
        local = cross(block, local, key, value)
    return local


def glca_feature(normed: Tensor) -> Tensor:
    """Give the branch's feature (B, D) of normalised GLCA tokens (B, 1 + R, D): half class token, half local mean."""
    return 0.5 * (normed[:, 0] + normed[:, 1:].mean(1))
