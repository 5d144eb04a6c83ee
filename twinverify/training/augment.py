"""Augmentation of a batch of images, each with its own random values, in a handful of tensor operations.

A loop over torchvision.transforms.v2, the way to give each image its own values there, takes longer: on one core 48
images of 64 px take 20 ms against 5.4 here, 64 of 224 px 125 ms against 90.

Every value is drawn whether it is used or not: switching one setting leaves the others' draws as they were.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from twinverify.settings import AugmentSettings

_DRAWS = 13
_ERASED_AREA = 0.02, 0.2  # shares of the image, as in Zhong et al. 2020 but below their 0.4: marks are small
_ERASED_ASPECT = 0.3, 3.3
# On a CPU so many pixels at once: what stays in the cache takes half the time of a whole batch of large images.
_CHUNK = 65_536
_GREY = 0.299, 0.587, 0.114  # ITU-R BT.601, as torchvision


def augment(images: Tensor, settings: AugmentSettings, generator: torch.Generator) -> Tensor:
    """Rotate, crop, flip, jitter and erase each image by its own random values.

    Args:
        images: (B, 3, S, S) uint8.
        settings: strengths; all at their neutral values give the images back.
        generator: a generator on the CPU; it advances by the same amount whatever the settings.

    Returns:
        (B, 3, S, S) float32 in [0, 1], on the device of `images`.
    """
    draws = torch.rand(len(images), _DRAWS, generator=generator).to(images.device, non_blocking=True)
    if images.device.type != "cpu":
        return _augment(images, settings, draws)
    step = max(1, _CHUNK // (images.shape[-1] * images.shape[-2]))
    parts = zip(torch.split(images, step), torch.split(draws, step), strict=True)
    return torch.cat([_augment(part, settings, drawn) for part, drawn in parts])


def to_unit_range(images: Tensor) -> Tensor:
    """Turn uint8 images into float32 in [0, 1]."""
    return images.to(torch.float32) / 255


def _augment(images: Tensor, settings: AugmentSettings, draws: Tensor) -> Tensor:
    images = to_unit_range(images)
    if settings.rotation or settings.crop_scale < 1 or settings.flip:
        images = _warp(images, settings, draws[:, :5])
    if settings.jitter:
        images = _jitter(images, settings.jitter, draws[:, 5:8])
    if settings.erasing:
        images = _erase(images, settings.erasing, draws[:, 8:13])
    return images


def _warp(images: Tensor, settings: AugmentSettings, draws: Tensor) -> Tensor:
    """Crop a square of random area and place, rotate and flip: one interpolation for the three."""
    turn = torch.deg2rad(settings.rotation * (2 * draws[:, 0] - 1))
    side = torch.sqrt(settings.crop_scale + (1 - settings.crop_scale) * draws[:, 1])
    shift = (2 * draws[:, 2:4] - 1) * (1 - side)[:, None]  # (B, 2) centre of the crop, in half images
    mirror = torch.where(draws[:, 4] < settings.flip, -1.0, 1.0)
    cosine, sine = torch.cos(turn), torch.sin(turn)
    # Where in the image an output pixel comes from: rotation @ (crop side * flip, crop centre).
    theta = torch.stack(
        [
            torch.stack([cosine * side * mirror, -sine * side, cosine * shift[:, 0] - sine * shift[:, 1]], dim=1),
            torch.stack([sine * side * mirror, cosine * side, sine * shift[:, 0] + cosine * shift[:, 1]], dim=1),
        ],
        dim=1,
    )  # (B, 2, 3)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    # Reflection: black corners would tell the model the angle.
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _jitter(images: Tensor, strength: float, draws: Tensor) -> Tensor:
    """Change brightness, then contrast, then saturation, each by a factor in 1 ± strength.

    All three are linear in the pixel, so they are one 3 x 3 matrix and one offset an image; torchvision's functions do
    the same but for clamping in between.
    """
    brightness, contrast, saturation = (1 + strength * (2 * draws - 1)).unsqueeze(-1).unbind(1)  # (B, 1) each
    grey = torch.tensor(_GREY, device=images.device)
    mean = (images.mean(dim=(2, 3)) * grey).sum(dim=1, keepdim=True)  # (B, 1)
    gain = (brightness * contrast)[..., None]
    to_grey = grey.expand(3, 3)
    mix = gain * (saturation[..., None] * torch.eye(3, device=images.device) + (1 - saturation[..., None]) * to_grey)
    offset = ((1 - contrast) * brightness * mean)[..., None]  # (B, 1, 1)
    changed = torch.baddbmm(offset.expand(-1, 3, 1), mix, images.flatten(2))  # (B, 3, S * S)
    return changed.clamp_(0, 1).view_as(images)


def _erase(images: Tensor, probability: float, draws: Tensor) -> Tensor:
    """Paint a rectangle of random area, aspect and place in the image's own mean colour."""
    size = images.shape[-1]
    low, high = _ERASED_AREA
    area = (low + (high - low) * draws[:, 1]) * size * size
    aspect = torch.exp(math.log(_ERASED_ASPECT[0]) + draws[:, 2] * math.log(_ERASED_ASPECT[1] / _ERASED_ASPECT[0]))
    height, width = torch.sqrt(area * aspect).clamp(1, size), torch.sqrt(area / aspect).clamp(1, size)
    inside = _span(draws[:, 3], height, size)[:, :, None] & _span(draws[:, 4], width, size)[:, None, :]  # (B, S, S)
    chosen = (draws[:, 0] < probability)[:, None, None] & inside
    return torch.where(chosen[:, None], images.mean(dim=(2, 3), keepdim=True), images)


def _span(draw: Tensor, length: Tensor, size: int) -> Tensor:
    """Give (B, S), true for `length` pixels of a line of `size`, placed by `draw`."""
    start = (draw * (size - length))[:, None]
    place = torch.arange(size, device=draw.device)[None] + 0.5
    return (place >= start) & (place < start + length[:, None])
