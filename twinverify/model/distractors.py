"""Which image of the batch is image 2 of each PWCA pair (DCAL, section 3.3)."""

import torch
from torch import Tensor

from twinverify.settings import PwcaSettings


def draw_distractors(
    settings: PwcaSettings, person: Tensor, family: Tensor, generator: torch.Generator
) -> Tensor | None:
    """Draw a distractor for each image of a batch.

    Where a batch lacks the kind asked for, the next best is taken: the co-twin, else another family's image, else any
    other image.

    Args:
        settings: `random`: any other image (the paper's); `inter`: another family's; `twin`: the co-twin's (another
            person of the same family); `mixture`: the co-twin's with probability `twin_share`, else another family's.
        person: (B,) person numbers.
        family: (B,) family numbers.
        generator: on the CPU; the only source of randomness.

    Returns:
        (B,) index of image 2 in the batch, never the image itself, on `person`'s device; None in a step without PWCA:
        it is off, `apply_probability` says so, or there is no second image.
    """
    if settings.blocks == 0 or len(person) < 2:
        return None
    if settings.apply_probability < 1 and torch.rand((), generator=generator) >= settings.apply_probability:
        return None
    rank = _rank(settings, person.cpu(), family.cpu(), generator)
    rank.fill_diagonal_(-1)
    # Within a rank all are equally likely; float64, or 1 + 0.99999999 would round up into the next rank.
    lots = torch.rand(rank.shape, generator=generator, dtype=torch.float64)
    return (rank + lots).argmax(1).to(person.device)


def _rank(settings: PwcaSettings, person: Tensor, family: Tensor, generator: torch.Generator) -> Tensor:
    """Give how welcome image j is as the distractor of image i (B, B): 0 any, 1 another family's, 2 the co-twin's."""
    other_family = (family[:, None] != family).long()
    if settings.distractor == "random":
        return torch.zeros_like(other_family)
    twin = 2 * ((family[:, None] == family) & (person[:, None] != person)).long()
    if settings.distractor == "mixture":
        wants_twin = torch.rand(len(person), generator=generator) < settings.twin_share
        twin = twin * wants_twin[:, None]
    return other_family if settings.distractor == "inter" else other_family + twin
