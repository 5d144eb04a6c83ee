"""The training loss: identity, triplet and pair losses of each branch, and how the branches are added up."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor, nn

from twinverify.errors import UserError
from twinverify.model.heads import identity_head
from twinverify.model.pair_loss import PairLoss
from twinverify.settings import LossSettings, TripletLossSettings

#: Range of the learnt branch weights w: a branch counts between e^-3 / 2 = 0.025 and e^3 / 2 = 10.
LARGEST_W = 3.0


class Embeddings(Protocol):
    """The branches of a model by name, each (B, E)."""

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Give those that are present."""
        ...


class DcalLoss(nn.Module):
    """L = 1/2 sum_b (e^-w_b L_b + w_b) over the branches present, w learnt from 0 (DCAL, section 3.4), or a fixed sum.

    A branch's loss L_b is the weighted sum of identity, triplet and pair losses; what has weight 0 is not built. PWCA
    shares SA's identity head, as it shares its weights. All in float32, also under autocast.
    """

    def __init__(self, settings: LossSettings, branches: Sequence[str], embedding_width: int, identities: int) -> None:
        """Build the parts that are on.

        Args:
            settings: the loss.
            branches: names of the branches that the model gives in training (`Dcal.branches`).
            embedding_width: E.
            identities: number of training identities.

        Raises:
            UserError: GLCA has the fixed weight 0, so its weights would never train.
        """
        super().__init__()
        self.settings = settings
        fixed = {"sa": 1.0, "glca": settings.branches.glca, "pwca": settings.branches.pwca}
        self.learnt = settings.branches.weighting == "learnt"
        self.fixed = {name: 1.0 if self.learnt else fixed[name] for name in branches}
        if self.fixed.get("glca") == 0:
            raise UserError("loss.branches.glca is 0, so GLCA would never train; set model.glca.blocks=0 instead")
        used = [name for name, weight in self.fixed.items() if weight]
        self.w = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in used if self.learnt})
        self.heads = nn.ModuleDict()
        if settings.identity.weight:
            for name in dict.fromkeys(map(_head_of, used)):
                self.heads[name] = identity_head(settings.identity, embedding_width, identities)
        self.pairs = nn.ModuleDict({name: PairLoss(settings.pair) for name in used if _pairs_are_on(settings)})
        self.triplet = None if settings.triplet.kind == "off" else TripletLoss(settings.triplet)

    def forward(self, branches: Embeddings, identity: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the total and each branch's own loss.

        Args:
            branches: raw embeddings (B, E); a branch that is absent in this step (PWCA) is left out.
            identity: (B,) training identities, 0 .. identities - 1.

        Returns:
            The total (it may be negative: never an objective), and branch name -> L_b, detached.
        """
        present = [(name, values) for name, values in branches.items() if self.fixed.get(name)]
        with torch.autocast(identity.device.type, enabled=False):
            losses = {name: self._branch(name, values.float(), identity) for name, values in present}
            terms = [self._weighted(name, loss) for name, loss in losses.items()]
        total = torch.stack(terms).sum()
        return total, {name: loss.detach() for name, loss in losses.items()}

    def _branch(self, name: str, embeddings: Tensor, identity: Tensor) -> Tensor:
        """Give L_b: the weighted sum of the losses that are on."""
        loss = embeddings.new_zeros(())
        if self.heads:
            loss = loss + self.settings.identity.weight * self.heads[_head_of(name)](embeddings, identity)
        if self.triplet is not None:
            loss = loss + self.settings.triplet.weight * self.triplet(embeddings, identity)
        if self.pairs:
            loss = loss + self.pairs[name](embeddings, identity)
        return loss

    def _weighted(self, name: str, loss: Tensor) -> Tensor:
        if not self.learnt:
            return self.fixed[name] * loss
        w: Tensor = self.w[name]
        with torch.no_grad():
            # Projected onto its range before use, not clamped in the formula: as L_b nears 0 the best w is -infinity,
            # and a clamp would stop its gradient for good once outside. At the edge it can still turn back.
            w.clamp_(-LARGEST_W, LARGEST_W)
        return 0.5 * (torch.exp(-w) * loss + w)


class TripletLoss(nn.Module):
    """Triplet loss with the hardest positive and negative of each image of the batch, by cosine.

    margin: mean of max(0, cos(a, n) - cos(a, p) + m); soft: mean of softplus(cos(a, n) - cos(a, p)).

    Source: Hermans, Beyer, Leibe, "In defense of the triplet loss", 2017, eq. 5; by pytorch-metric-learning.
    """

    def __init__(self, settings: TripletLossSettings) -> None:
        """Choose the kind."""
        super().__init__()
        self.miner = BatchHardMiner(distance=CosineSimilarity())
        soft = settings.kind == "soft"
        margin = 0.0 if soft else settings.margin
        # Mean over all anchors: the library's default, over violating ones, never falls as the violations get few.
        self.loss = TripletMarginLoss(
            margin=margin, smooth_loss=soft, distance=CosineSimilarity(), reducer=MeanReducer()
        )

    def forward(self, embeddings: Tensor, identity: Tensor) -> Tensor:
        """Give the mean over the images that have both a positive and a negative."""
        loss: Tensor = self.loss(embeddings, identity, self.miner(embeddings, identity))
        return loss


def _head_of(branch: str) -> str:
    return "sa" if branch == "pwca" else branch


def _pairs_are_on(settings: LossSettings) -> bool:
    return bool(settings.pair.bce_weight or settings.pair.focal_weight)
