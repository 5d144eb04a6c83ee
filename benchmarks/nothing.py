"""The training that costs nothing: what is left of a sweep's time is the overhead."""

import math


def metrics(lr: float, epoch: int) -> dict[str, float]:
    """Give fifteen metrics; the objective depends on lr, so that a search and early stopping have something to do."""
    error = 0.2 + 0.05 * abs(math.log10(lr) + 3) + 0.2 / epoch
    named = {"val/twin_eer": error, "val/twin_auc": 1 - error, "val/general_eer": error / 3, "train/lr": lr}
    return named | {f"train/part_{number:02d}": error * number for number in range(11)}
