"""What a training tells its listeners after each epoch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """The metrics of one epoch.

    Attributes:
        epoch: from 1.
        metrics: `train/loss`, `train/loss_<branch>`, `train/lr`, `train/gradient_norm`, `train/images_per_second`,
            `val/twin_eer`, …; finite numbers only, what could not be measured is left out.
    """

    epoch: int
    metrics: dict[str, float]
