"""DCAL as one writes it down from the paper: every attention map stored, the rollout by full matrix products, and the
PWCA pass on its own after the SA pass. The same mathematics and weights as `Dcal`, so the losses must agree.
"""  # noqa: D205

import torch
from torch import Tensor, nn

from twinverify.model.dcal import Branches, Dcal
from twinverify.model.glca import glca_feature, local_count


def forward(model: Dcal, images: Tensor, distractor: Tensor | None) -> Branches:
    """Give what `model(images, distractor)` gives."""
    entered = model.backbone._pos_embed(model.backbone.patch_embed((images - model.mean) / model.std))  # (B, T, D)
    tokens, maps, memories = entered, [], []
    for block in model.backbone.blocks:
        memories.append(_keys_and_values(block, tokens))
        tokens, weights = _block(block, tokens, *memories[-1])
        maps.append(weights)
    local = _glca(model, tokens, maps)
    pair = None if distractor is None else _pwca(model, entered, memories, distractor)
    return Branches(_class(model, tokens), local, pair)


def _keys_and_values(block: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    _, key, value = _project(block, tokens)
    return key, value


def _project(block: nn.Module, tokens: Tensor) -> Tensor:
    attn = block.attn
    qkv = attn.qkv(block.norm1(tokens)).unflatten(2, (3, attn.num_heads, attn.head_dim))
    return qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D/H)


def _block(block: nn.Module, tokens: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Give the block's output and its attention map (B, H, Q, K)."""
    query = _project(block, tokens)[0]
    weights = (query @ key.transpose(-2, -1) * block.attn.scale).softmax(-1)
    tokens = tokens + block.attn.proj((weights @ value).transpose(1, 2).flatten(2))
    return tokens + block.mlp(block.norm2(tokens)), weights


def _rollout(maps: list[Tensor], residual: float) -> Tensor:
    identity = torch.eye(maps[0].shape[-1], device=maps[0].device)
    rollout = identity
    for weights in maps:  # S_L ... S_1, whole matrices
        rollout = ((1 - residual) * weights.mean(1) + residual * identity) @ rollout
    return rollout[:, 0, 1:]  # the class token's row over the patches


def _glca(model: Dcal, tokens: Tensor, maps: list[Tensor]) -> Tensor:
    with torch.no_grad():
        scores = _rollout(maps, model.settings.glca.rollout_residual)
    picked = scores.topk(local_count(model.settings.glca, scores.shape[1]), dim=1).indices + 1
    local = torch.cat([tokens[:, :1], tokens.gather(1, picked[..., None].expand(-1, -1, tokens.shape[-1]))], dim=1)
    for block in model.glca:
        local, _ = _block(block, local, *_keys_and_values(block, tokens))
    return model.necks["glca"](glca_feature(model.glca_norm(local)))


def _pwca(model: Dcal, tokens: Tensor, memories: list[tuple[Tensor, Tensor]], distractor: Tensor) -> Tensor:
    for layer, block in enumerate(model.backbone.blocks):
        key, value = _keys_and_values(block, tokens)
        if layer in model.pairs:
            key = torch.cat([key, memories[layer][0][distractor]], dim=2)
            value = torch.cat([value, memories[layer][1][distractor]], dim=2)
        tokens, _ = _block(block, tokens, key, value)
    return _class(model, tokens)


def _class(model: Dcal, tokens: Tensor) -> Tensor:
    return model.necks["sa"](model.backbone.norm(tokens)[:, 0])
