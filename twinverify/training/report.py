"""What a training tells its listeners after each epoch."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from twinverify.verification.objective import cost


@dataclass(frozen=True)
class EpochReport:
    """The metrics of one epoch.

    Attributes:
        epoch: from 1.
        metrics: `train/loss`, `train/loss_<branch>`, `train/lr`, `train/gradient_norm`, `train/images_per_second`,
            `val/twin_eer`, …; finite numbers only, what could not be measured is left out.
        seconds: of training and validation; None in checkpoints of versions before 0.5.0.
    """

    epoch: int
    metrics: dict[str, float]
    seconds: float | None = field(default=None, compare=False)


def best_epoch(reports: Sequence[EpochReport], objective: str) -> int:
    """Give the epoch that was best by a metric; of equals the first."""
    return min(reports, key=lambda report: (cost(objective, report.metrics[objective]), report.epoch)).epoch
