"""DCAL over a timm ViT: SA, GLCA and PWCA branches (Zhu et al., CVPR 2022, arXiv 2205.02151)."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinverify.model.glca import glca_blocks, glca_feature, glca_tokens, local_count
from twinverify.model.pwca import Streams, pair_layers, run_streams
from twinverify.model.rollout import class_row, rollout_row
from twinverify.model.vit import build_backbone, embed_patches
from twinverify.settings import ModelSettings


@dataclass(frozen=True)
class Branches:
    """Embeddings (B, E) of one image by branch, raw: behind the branch's neck, not normalised."""

    sa: Tensor
    glca: Tensor | None
    pwca: Tensor | None

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Give name and embedding of the branches that are present, in the order sa, glca, pwca."""
        for name, values in (("sa", self.sa), ("glca", self.glca), ("pwca", self.pwca)):
            if values is not None:
                yield name, values


class Dcal(nn.Module):
    """Dual cross-attention over a timm ViT.

    SA: the ViT itself. GLCA: M blocks with their own weights over SA's output. PWCA: T of the SA blocks run a second
    time, in training, with another image's keys and values beside the own; it shares SA's weights, neck included.
    """

    mean: Tensor
    std: Tensor
    fixed_scores: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        """Build the model; weights that are not loaded come from torch's global random state.

        Raises:
            UserError: the backbone is not a plain ViT with a class token, or its weights cannot be loaded.
        """
        super().__init__()
        self.settings = settings
        self.backbone = build_backbone(settings)
        self.pairs = pair_layers(settings.pwca, len(self.backbone.blocks))
        self.glca = glca_blocks(self.backbone, settings.glca)  # after the backbone's weights: it may copy them
        self.branches = ("sa", *(["glca"] if self.glca else []), *(["pwca"] if self.pairs else []))
        width = self.backbone.embed_dim
        self.glca_norm = copy.deepcopy(self.backbone.norm) if self.glca else nn.Identity()
        self.embedding_width = settings.embedding_width or width
        self.embedding = self.embedding_width * (2 if self._fusion == "concat" else 1)
        self.necks = nn.ModuleDict({name: self._neck(width) for name in self.branches if name != "pwca"})
        self._register_constants()

    def forward(self, images: Tensor, distractor: Tensor | None = None) -> Branches:
        """Give the embeddings of every branch.

        Args:
            images: (B, 3, S, S) in [0, 1]; the backbone's own mean and deviation are applied here.
            distractor: (B,) index in the batch of each image's image 2; None, or evaluation mode: no PWCA.
        """
        streams = self._streams(images, distractor if self.training and self.pairs else None)
        pair = None if streams.pair is None else self._sa(streams.pair)
        return Branches(self._sa(streams.tokens), self._glca(streams) if self.glca else None, pair)

    def embed(self, images: Tensor) -> Tensor:
        """Give one embedding an image (B, `embedding`), of length 1; PWCA never runs.

        Under fusion `concat` both branches are normalised first: the cosine is then the mean of the branches' cosines.
        """
        streams = self._streams(images, None, class_token_only=self._fusion == "sa")
        parts = []
        if self._fusion != "glca":
            parts.append(functional.normalize(self._sa(streams.tokens).float(), dim=1))
        if self._fusion != "sa":
            parts.append(functional.normalize(self._glca(streams).float(), dim=1))
        return functional.normalize(torch.cat(parts, dim=1), dim=1)

    @torch.no_grad()
    def look(self, images: Tensor) -> Tensor:
        """Give the CLS row of the attention rollout over the patches (B, N), row by row of the patch grid."""
        tokens = embed_patches(self.backbone, (images - self.mean) / self.std)
        streams = run_streams(self.backbone.blocks, tokens, class_token_only=True, trail_from=0)
        return rollout_row(streams.trail, self.settings.glca.rollout_residual)[:, self._prefix :]

    @property
    def _fusion(self) -> str:
        return self.settings.glca.fusion if self.glca else "sa"

    @property
    def _prefix(self) -> int:
        """Tokens before the patches: class token, registers, distillation token; never candidates for local queries."""
        return int(self.backbone.num_prefix_tokens)

    def _neck(self, width: int) -> nn.Module:
        chosen = self.settings.embedding_width
        return nn.Identity() if chosen is None else nn.Linear(width, chosen)

    def _register_constants(self) -> None:
        look: Any = self.backbone.pretrained_cfg
        self.register_buffer("mean", torch.tensor(look["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(look["std"]).view(3, 1, 1), persistent=False)
        # selection=random in evaluation: one set for all images and all time, so that embeddings are comparable.
        lots = torch.rand(1, self.backbone.patch_embed.num_patches, generator=torch.Generator().manual_seed(0))
        self.register_buffer("fixed_scores", lots, persistent=False)

    def _streams(self, images: Tensor, distractor: Tensor | None, class_token_only: bool = False) -> Streams:
        tokens = embed_patches(self.backbone, (images - self.mean) / self.std)  # (B, T, D)
        needed = {"rollout": 0, "last_layer": len(self.backbone.blocks) - 1, "random": None}
        class_token_only = class_token_only or not self.glca
        return run_streams(
            self.backbone.blocks,
            tokens,
            pairs=self.pairs,
            distractor=distractor,
            class_token_only=class_token_only,
            trail_from=None if class_token_only else needed[self.settings.glca.selection],
            checkpointing=self.settings.checkpointing,
        )

    def _sa(self, tokens: Tensor) -> Tensor:
        embedding: Tensor = self.necks["sa"](self.backbone.norm(tokens[:, 0]))
        return embedding

    def _glca(self, streams: Streams) -> Tensor:
        # Not by a tensor's shape, which is no number while the model is traced.
        count = local_count(self.settings.glca, int(self.backbone.patch_embed.num_patches))
        picked = self._patch_scores(streams).topk(count, dim=1).indices + self._prefix  # (B, R)
        local = glca_tokens(self.glca, streams.tokens, picked)  # (B, 1 + R, D)
        embedding: Tensor = self.necks["glca"](glca_feature(self.glca_norm(local)))
        return embedding

    def _patch_scores(self, streams: Streams) -> Tensor:
        """Give what ranks the patches (B, N), without gradient."""
        if self.settings.glca.selection == "rollout":
            return rollout_row(streams.trail, self.settings.glca.rollout_residual)[:, self._prefix :]
        if self.settings.glca.selection == "last_layer":
            return class_row(*streams.trail[-1])[:, self._prefix :]
        if self.training:
            return torch.rand_like(self.fixed_scores.expand(len(streams.tokens), -1))
        return self.fixed_scores.expand(len(streams.tokens), -1)
