"""The SA stream and, beside it in training, the PWCA stream over the same blocks (DCAL, sections 3.1 and 3.3).

Both streams share every weight, so from the first PWCA layer on they run as one stack of 2B images: norms, projections
and MLPs are single calls, only the attention differs. Up to that layer the streams are equal and exist once; with drop
path or dropout they then share its draws too, a choice that costs nothing and keeps them comparable. Of the PWCA stream
only the final class token is used, so its last layer computes that token alone; the same holds for SA without GLCA.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from twinverify.model.attention import attend, cross, finish, project, project_memory, project_queries
from twinverify.settings import PwcaSettings


class Streams(NamedTuple):
    """What the SA blocks give for a batch."""

    tokens: Tensor  # (B, T, D) of the SA stream, or (B, 1, D) when only its class token was asked for
    pair: Tensor | None  # (B, 1, D), class token of the PWCA stream
    trail: list[tuple[Tensor, Tensor]]  # queries and keys of the SA stream, detached, of the layers asked for


def pair_layers(settings: PwcaSettings, depth: int) -> frozenset[int]:
    """Give which of the `depth` layers run as PWCA."""
    blocks = settings.blocks
    if settings.placement == "first":
        return frozenset(range(blocks))
    if settings.placement == "last":
        return frozenset(range(depth - blocks, depth))
    if settings.placement == "middle":
        start = (depth - blocks) // 2
        return frozenset(range(start, start + blocks))
    return frozenset((2 * i + 1) * depth // (2 * blocks) for i in range(blocks))


def run_streams(
    blocks: nn.Sequential,
    tokens: Tensor,
    *,
    pairs: frozenset[int] = frozenset(),
    distractor: Tensor | None = None,
    class_token_only: bool = False,
    trail_from: int | None = None,
) -> Streams:
    """Run the SA blocks, and with a distractor the PWCA stream beside them.

    Args:
        blocks: the L blocks of the backbone.
        tokens: (B, T, D), what enters the first block.
        pairs: the layers that run as PWCA.
        distractor: (B,) index of image 2 in the batch; None = no PWCA stream.
        class_token_only: compute only the class token in the last layer.
        trail_from: first layer whose queries and keys are kept; None = none.
    """
    images, (*earlier, last) = len(tokens), blocks
    trail: list[tuple[Tensor, Tensor]] = []
    if distractor is None:
        pairs = frozenset()
    block: Any
    for layer, block in enumerate(earlier):
        query, key, value = project(block.attn, block.norm1(tokens))  # (B or 2B, H, T, D/H)
        if trail_from is not None and layer >= trail_from:
            trail.append((query[:images].detach(), key[:images].detach()))
        if layer in pairs and distractor is not None:
            mixed = _attend_both(block, query, key, value, distractor)
            tokens = tokens if len(tokens) == len(mixed) else torch.cat([tokens, tokens])  # the streams part here
        else:
            mixed = attend(block.attn, query, key, value)
        tokens = finish(block, tokens, mixed)
    out, pair, asked = _last_layer(last, tokens, images, distractor, len(earlier) in pairs, class_token_only)
    return Streams(out, pair, trail if trail_from is None else [*trail, asked])


def _last_layer(
    block: Any, tokens: Tensor, images: int, distractor: Tensor | None, paired: bool, class_token_only: bool
) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
    """Give SA's tokens, PWCA's class token, and the class token's query with SA's keys."""
    normed = block.norm1(tokens)  # (B or 2B, T, D)
    key, value = project_memory(block.attn, normed)
    asking = 1 if class_token_only else tokens.shape[1]
    query = project_queries(block.attn, normed[:images, :asking])
    own = attend(block.attn, query, key[:images], value[:images])
    out = finish(block, tokens[:images, :asking], own)
    asked = (query[:, :, :1].detach(), key[:images].detach())
    if distractor is None:
        return out, None, asked
    memory = _with_distractor(key, value, distractor) if paired else (key[-images:], value[-images:])
    return out, cross(block, tokens[-images:, :1], *memory), asked


def _attend_both(block: Any, query: Tensor, key: Tensor, value: Tensor, distractor: Tensor) -> Tensor:
    """Give SA's and PWCA's mixed values, stacked (2B, T, D)."""
    images = len(distractor)
    own = attend(block.attn, query[:images], key[:images], value[:images])
    pair = attend(block.attn, query[-images:], *_with_distractor(key, value, distractor))
    return torch.cat([own, pair])


def _with_distractor(key: Tensor, value: Tensor, distractor: Tensor) -> tuple[Tensor, Tensor]:
    """Give [K1; K2] and [V1; V2] (B, H, 2T, D/H) of f_PWCA: image 2's are its own SA stream's at this layer.

    The streams lie stacked, SA first; before they part the SA stream is both.
    """
    images = len(distractor)
    return (
        torch.cat([key[-images:], key[:images][distractor]], dim=2),
        torch.cat([value[-images:], value[:images][distractor]], dim=2),
    )
