"""The pieces of a timm block, apart, so that queries and keys may come from different tokens.

timm's `block(x)` is `finish(block, x, attend(block.attn, *project(block.attn, block.norm1(x))))`: the same modules,
the same weights, the same numbers.
"""

from typing import Any

from timm.layers.attention import Attention
from torch import Tensor
from torch.nn import functional


def project(attn: Attention, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Give queries, keys and values (B, H, T, D/H) of normalised tokens (B, T, D), in one matrix product."""
    query, key, value = _heads(attn, attn.qkv(normed), 3)
    return attn.q_norm(query), attn.k_norm(key), value


def project_queries(attn: Attention, normed: Tensor) -> Tensor:
    """Give the queries (B, H, Q, D/H) of a selection of tokens (B, Q, D); their keys and values are not computed."""
    (query,) = _heads(attn, functional.linear(normed, *_rows(attn, slice(None, attn.attn_dim))), 1)
    queries: Tensor = attn.q_norm(query)
    return queries


def project_memory(attn: Attention, normed: Tensor) -> tuple[Tensor, Tensor]:
    """Give keys and values (B, H, T, D/H) of normalised tokens (B, T, D) without their queries."""
    key, value = _heads(attn, functional.linear(normed, *_rows(attn, slice(attn.attn_dim, None))), 2)
    return attn.k_norm(key), value


def attend(attn: Attention, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Give softmax(Q K^T / sqrt(d)) V as (B, Q, D) by the fused kernel (DCAL, section 3.1); no weights are stored."""
    dropout = attn.attn_drop.p if attn.training else 0.0
    mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return mixed.transpose(1, 2).flatten(2)


def finish(block: Any, tokens: Tensor, mixed: Tensor) -> Tensor:
    """Give the block's output (B, Q, D): projection, residual and MLP, with its layer scale, dropout and drop path."""
    attn = block.attn
    tokens = tokens + block.drop_path1(block.ls1(attn.proj_drop(attn.proj(attn.norm(mixed)))))
    done: Tensor = tokens + block.drop_path2(block.ls2(block.mlp(block.norm2(tokens))))
    return done


def cross(block: Any, tokens: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Run a block for the queries `tokens` (B, Q, D) only, over keys and values (B, H, T, D/H) that are given."""
    query = project_queries(block.attn, block.norm1(tokens))
    return finish(block, tokens, attend(block.attn, query, key, value))


def _rows(attn: Attention, rows: slice) -> tuple[Tensor, Tensor | None]:
    bias = attn.qkv.bias
    return attn.qkv.weight[rows], None if bias is None else bias[rows]


def _heads(attn: Attention, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
    images, tokens, _ = projected.shape
    split = projected.view(images, tokens, parts, attn.num_heads, attn.head_dim)
    return tuple(split.permute(2, 0, 3, 1, 4).unbind(0))  # each (B, H, T, D/H)
