"""Verification of all pairs of a batch: is it the same person?"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from twinverify.settings import PairLossSettings

#: Initial scale and bias: a cosine of 0.5 starts at even odds, 0 and 1 at 1 : 150. A raw cosine, in [-1, 1], could not
#: say anything with more than 73 % confidence.
SCALE, BIAS = 10.0, -5.0


class PairLoss(nn.Module):
    """Binary cross-entropy and focal loss of scale x cosine + bias over all pairs, scale and bias learnt.

    A batch of P people x K images has (P - 1) K / (K - 1) negatives for each positive (15 at 12 x 4), so same-person
    and different-person pairs are averaged apart and count half each, in place of the focal loss's alpha.

    Source: focal loss: Lin et al. 2017, eq. 4; scale and bias: Zhai et al., "Sigmoid loss", 2023, section 3.2.
    """

    def __init__(self, settings: PairLossSettings) -> None:
        """Start at `SCALE` and `BIAS`; the scale is learnt as its logarithm, so that it stays positive."""
        super().__init__()
        self.settings = settings
        self.log_scale = nn.Parameter(torch.tensor(math.log(SCALE)))
        self.bias = nn.Parameter(torch.tensor(BIAS))

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """Give the weighted sum of the two losses of embeddings (B, E) by identity (B,)."""
        unit = functional.normalize(embeddings)
        cosine = unit @ unit.T  # (B, B)
        same = identity[:, None] == identity
        logits = self.log_scale.exp() * cosine + self.bias
        surprise = functional.binary_cross_entropy_with_logits(logits, same.to(logits.dtype), reduction="none")
        loss = logits.new_zeros(())
        if self.settings.bce_weight:
            loss = loss + self.settings.bce_weight * _balanced(surprise, same)
        if self.settings.focal_weight:
            # 1 - p_t, with p_t = e^-surprise; kept off 0, where the slope of a power below 1 is infinite.
            doubt = -torch.expm1(-surprise)
            focal = doubt.clamp(min=1e-6) ** self.settings.focal_gamma * surprise
            loss = loss + self.settings.focal_weight * _balanced(focal, same)
        return loss


def _balanced(losses: Tensor, same: Tensor) -> Tensor:
    """Give the mean over same-person and over different-person pairs, half each; an absent kind counts nothing."""
    pair = ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    kinds = ((same & pair).to(losses.dtype), (~same).to(losses.dtype))
    shares = [kind / kind.sum().clamp(min=1) for kind in kinds]
    return 0.5 * (losses * (shares[0] + shares[1])).sum()
