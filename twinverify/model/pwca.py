"""The SA stream and, beside it in training, the PWCA stream over the same blocks (DCAL, sections 3.1 and 3.3).

Both streams share every weight, so from the first PWCA layer on they run as one stack of 2B images: norms, projections
and MLPs are single calls, only the attention differs. Up to that layer the streams are equal and exist once; with drop
path or dropout they then share its draws too, a choice that costs nothing and keeps them comparable. Of the PWCA stream
only the final class token is used, so its last layer computes that token alone; the same holds for SA without GLCA.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from twinverify.model.attention import attend, cross, finish, project, project_memory, project_queries
from twinverify.settings import PwcaSettings

Given = TypeVar("Given")


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
    checkpointing: bool = False,
) -> Streams:
    """Run the SA blocks, and with a distractor the PWCA stream beside them.

    Args:
        blocks: the L blocks of the backbone.
        tokens: (B, T, D), what enters the first block.
        pairs: the layers that run as PWCA.
        distractor: (B,) index of image 2 in the batch; None = no PWCA stream.
        class_token_only: compute only the class token in the last layer.
        trail_from: first layer whose queries and keys are kept; None = none.
        checkpointing: keep only what enters each layer; the backward pass runs the layer again, to the same numbers.
    """
    images, (*earlier, last) = len(tokens), blocks
    trail: list[tuple[Tensor, Tensor]] = []
    call = _run_again_backward if checkpointing and torch.is_grad_enabled() else _run_once
    for layer, block in enumerate(earlier):
        tokens, asked = call(_layer, block, tokens, images, distractor if layer in pairs else None)
        if trail_from is not None and layer >= trail_from:
            trail.append(asked)
    out, pair, asked = call(_last_layer, last, tokens, images, distractor, len(earlier) in pairs, class_token_only)
    return Streams(out, pair, trail if trail_from is None else [*trail, asked])


def _run_once(layer: Callable[..., Given], *arguments: Any) -> Given:
    return layer(*arguments)


def _run_again_backward(layer: Callable[..., Given], *arguments: Any) -> Given:
    again: Given = checkpoint(layer, *arguments, use_reentrant=False)  # with the same drop path and dropout
    return again


def _layer(block: Any, tokens: Tensor, images: int, distractor: Tensor | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Give a layer's tokens, and SA's queries and keys; with a distractor it runs as PWCA, and gives both streams."""
    query, key, value = project(block.attn, block.norm1(tokens))  # (B or 2B, H, T, D/H)
    if distractor is None:
        mixed = attend(block.attn, query, key, value)
    else:
        mixed = _attend_both(block, query, key, value, distractor)
        tokens = tokens if len(tokens) == len(mixed) else torch.cat([tokens, tokens])  # the streams part here
    return finish(block, tokens, mixed), (query[:images].detach(), key[:images].detach())


def _last_layer(
    block: Any, tokens: Tensor, images: int, distractor: Tensor | None, paired: bool, class_token_only: bool
) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
    """Give SA's tokens, PWCA's class token, and the class token's query with SA's keys."""
    normed = block.norm1(tokens)  # (B or 2B, T, D)
    (key, pair_key), (value, pair_value) = (_streams(part, images) for part in project_memory(block.attn, normed))
    asking = 1 if class_token_only else tokens.shape[1]
    query = project_queries(block.attn, normed[:images, :asking])
    out = finish(block, tokens[:images, :asking], attend(block.attn, query, key, value))
    asked = (query[:, :, :1].detach(), key.detach())
    if distractor is None:
        return out, None, asked
    if paired:
        pair_key, pair_value = _joint(pair_key, key, distractor), _joint(pair_value, value, distractor)
    return out, cross(block, tokens[-images:, :1], pair_key, pair_value), asked


def _attend_both(block: Any, query: Tensor, key: Tensor, value: Tensor, distractor: Tensor) -> Tensor:
    """Give SA's and PWCA's mixed values, stacked (2B, T, D)."""
    images = len(distractor)
    (query, asking), (key, pair_key), (value, pair_value) = (_streams(part, images) for part in (query, key, value))
    own = attend(block.attn, query, key, value)
    joint = _joint(pair_key, key, distractor), _joint(pair_value, value, distractor)
    return torch.cat([own, attend(block.attn, asking, *joint)])


def _streams(stacked: Tensor, images: int) -> tuple[Tensor, Tensor]:
    """Give SA's part and PWCA's of a stack; before the streams part, the one is both."""
    if len(stacked) == images:
        return stacked, stacked
    # Not slices: the backward pass would fill up each of them with zeros to the whole stack, and add these up.
    own, pair = torch.split(stacked, images)
    return own, pair


def _joint(pair: Tensor, own: Tensor, distractor: Tensor) -> Tensor:
    """Give [K1; K2] or [V1; V2] (B, H, 2T, D/H) of f_PWCA: image 2's are its own SA stream's at this layer."""
    return torch.cat([pair, own[distractor]], dim=2)
