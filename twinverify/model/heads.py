"""Identity heads: embeddings (B, E) and identities (B,) to a loss; each has the class weights of its own.

ArcFace and CosFace are pytorch-metric-learning's; AdaFace is not in it and stands here.
"""

import math

import torch
from pytorch_metric_learning.losses import ArcFaceLoss, CosFaceLoss
from torch import Tensor, nn
from torch.nn import functional

from twinverify.settings import IdentityLossSettings

#: Cosines are held this far from ±1, where the slope of the arc cosine is infinite.
_EDGE = 1e-6


def identity_head(settings: IdentityLossSettings, embedding_width: int, identities: int) -> nn.Module:
    """Build the head that the settings name: it gives the mean loss of (embeddings (B, E), identity (B,))."""
    smoothing = settings.label_smoothing
    if settings.head == "softmax":
        return SoftmaxHead(embedding_width, identities, smoothing)
    if settings.head == "adaface":
        return AdaFaceHead(embedding_width, identities, settings.margin, settings.scale, smoothing)
    if settings.head == "arcface":
        degrees = math.degrees(settings.margin)  # the library takes degrees
        head: nn.Module = _ArcFace(identities, embedding_width, margin=degrees, scale=settings.scale)
    else:
        head = CosFaceLoss(identities, embedding_width, margin=settings.margin, scale=settings.scale)
    head.cross_entropy = nn.CrossEntropyLoss(reduction="none", label_smoothing=smoothing)
    return head


class SoftmaxHead(nn.Module):
    """A linear classifier with cross-entropy, on the raw embedding."""

    def __init__(self, embedding_width: int, identities: int, smoothing: float) -> None:
        """Build it with torch's default initial weights."""
        super().__init__()
        self.classifier = nn.Linear(embedding_width, identities)
        self.smoothing = smoothing

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """Give the mean cross-entropy."""
        return functional.cross_entropy(self.classifier(embeddings), identity, label_smoothing=self.smoothing)


class AdaFaceHead(nn.Module):
    """AdaFace: the margin depends on the norm of the raw embedding, a stand-in for image quality.

    With the norm ẑ standardised by running statistics, times h, within [-1, 1], the target's logit is
    s (cos(θ - m ẑ) - (m ẑ + m)), the others' s cos θ. The statistics start as plain averages (the authors start an
    average of rate 0.01 at 20 and 100, which a short run never leaves).

    Source: Kim, Jain, Liu, "AdaFace", CVPR 2022, with its h = 0.33.
    """

    mean: Tensor
    std: Tensor
    steps: Tensor

    def __init__(self, embedding_width: int, identities: int, margin: float, scale: float, smoothing: float) -> None:
        """Build it with class directions drawn evenly on the sphere."""
        super().__init__()
        self.directions = nn.Parameter(torch.randn(identities, embedding_width))
        self.margin, self.scale, self.smoothing, self.h = margin, scale, smoothing, 0.33
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("std", torch.ones(()))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """Give the mean cross-entropy with the adaptive margin; in training mode the statistics move first."""
        quality = self._quality(embeddings.detach().norm(dim=1).clamp(0.001, 100))  # (B,)
        cosine = functional.normalize(embeddings) @ functional.normalize(self.directions).T  # (B, P)
        target = cosine.gather(1, identity[:, None]).squeeze(1).clamp(-1 + _EDGE, 1 - _EDGE)
        angle = (target.acos() - self.margin * quality).clamp(_EDGE, math.pi - _EDGE)
        adapted = angle.cos() - (self.margin * quality + self.margin)
        logits = self.scale * cosine.scatter(1, identity[:, None], adapted[:, None])
        return functional.cross_entropy(logits, identity, label_smoothing=self.smoothing)

    @torch.no_grad()
    def _quality(self, norms: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
            rate = (1 / self.steps).clamp(min=0.01)
            self.mean.lerp_(norms.mean(), rate)
            self.std.lerp_(norms.std(correction=0), rate)
        return ((norms - self.mean) / (self.std + 1e-3) * self.h).clamp(-1, 1)


class _ArcFace(ArcFaceLoss):  # type: ignore[misc]
    """The library's ArcFace with a finite gradient where an embedding lies on its class weight."""

    def get_angles(self, cosine_of_target_classes: Tensor) -> Tensor:
        return cosine_of_target_classes.clamp(-1 + _EDGE, 1 - _EDGE).acos()
