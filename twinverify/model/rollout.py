"""Attention rollout (Abnar and Zuidema 2020; DCAL, section 3.2), its CLS row only, without storing a map.

With S̄_l = (1 - a) S_l + a E (heads averaged, E the identity, a = `rollout_residual`), the rollout is
Ŝ = S̄_L ... S̄_1, and its CLS row is e_cls^T S̄_L ... S̄_1: a row vector that is carried from the last layer to the first.
The last layer needs the attention of one query; each other layer one explicit map, made again from queries and keys
that are kept, detached. Figures for one image, fp32:

    ViT-B, 448 px (785 tokens): all maps 355 MB; queries and keys 58 MB, which autograd holds anyway in training, so
    only evaluation pays them; Q K^T again 1 GFLOP a layer, 7 % of the layer's forward pass, without gradient.
    4 x 96, 64 patches: maps 203 kB, queries and keys 200 kB: it does not matter; the fused kernel is kept all the same.

The weights are those before any dropout, in float32 also under autocast, and no gradient flows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Attention weights that exist at one time, in elements of 4 bytes. On a CPU what leaves the cache costs: at 785 tokens
#: (two images, 12 heads) a layer takes 91 ms at 64 MB a time, 36 ms at 16 MB. A GPU wants few large calls.
CHUNK_CPU, CHUNK_GPU = 2**22, 2**25

Trail = Sequence[tuple[Tensor, Tensor]]


@torch.no_grad()
def class_row(query: Tensor, key: Tensor) -> Tensor:
    """Give the CLS row (B, T) of one layer's attention, heads averaged.

    Args:
        query: (B, H, T or 1, D/H), the class token's first.
        key: (B, H, T, D/H).
    """
    with torch.autocast(query.device.type, enabled=False):
        return _weights(query[:, :, :1], key).mean(1).squeeze(1)


@torch.no_grad()
def rollout_row(trail: Trail, residual: float) -> Tensor:
    """Give the CLS row (B, T) of the rollout over all layers; each row sums to 1.

    Args:
        trail: queries and keys (B, H, T, D/H) of each SA layer, first layer first; of the last layer the class token's
            query alone is read.
        residual: a, the weight of the identity.
    """
    *earlier, (query, key) = trail
    row = (1 - residual) * class_row(query, key)  # e_cls^T S̄_L
    row[:, 0] += residual
    for query, key in reversed(earlier):
        row = (1 - residual) * _through(row, query, key) + residual * row  # r^T S̄_l
    return row


def _through(row: Tensor, query: Tensor, key: Tensor) -> Tensor:
    """Give r^T S (B, T), S the head-averaged map of one layer, for as many heads at a time as fit a chunk."""
    images, heads, tokens, _ = query.shape
    maps = max(1, (CHUNK_CPU if query.device.type == "cpu" else CHUNK_GPU) // tokens**2)
    whole = (row[:, None].expand(-1, heads, -1).unsqueeze(2), query, key)  # r: (B, H, 1, T)
    cuts = (torch.split(part.flatten(0, 1), maps) for part in whole)
    with torch.autocast(row.device.type, enabled=False):
        parts = [r @ _weights(q, k) for r, q, k in zip(*cuts, strict=True)]  # (b, 1, T) @ (b, T, T)
    return torch.cat(parts).view(images, heads, tokens).mean(1)


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """Give softmax(Q K^T / sqrt(d)) (..., Q, T) in float32: ranks of near-equal patches do not survive bf16."""
    scores = (query.float() * query.shape[-1] ** -0.5) @ key.float().transpose(-2, -1)
    weights: Tensor = torch.softmax(scores, dim=-1)
    return weights
