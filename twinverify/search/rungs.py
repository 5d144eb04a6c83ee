"""ASHA, the stopping type: at each rung the worse trials stop (Li et al. 2020, arXiv 1810.05934)."""

from bisect import insort
from collections.abc import Sequence

from twinverify.search.options import TuneOptions


class Rungs:
    """The values seen at each rung, and the decision that follows from them; a function of the reports in their order.

    Two traps of the usual implementation are shut: nobody is cut against fewer than `reduction_factor` values (there,
    the second arrival is cut against a single one), and a trial that ties with the cut-off goes on.
    """

    def __init__(self, epochs: int, *, grace_epochs: int, reduction_factor: int) -> None:
        """Place the rungs at grace_epochs x reduction_factor^k, below `epochs`."""
        self.reduction_factor = reduction_factor
        self.levels: tuple[int, ...] = rung_levels(epochs, grace_epochs, reduction_factor)
        self._values: dict[int, list[float]] = {level: [] for level in self.levels}

    def stops(self, epoch: int, value: float) -> bool:
        """Take in that a trial reached `epoch` with `value` (smaller is better), and say whether it stops there."""
        if epoch not in self._values:
            return False
        seen = self._values[epoch]
        insort(seen, value)
        if len(seen) < self.reduction_factor:
            return False
        # Even of very few, one goes on.
        survivors = max(1, len(seen) // self.reduction_factor)
        return value > seen[survivors - 1]

    def values(self, epoch: int) -> Sequence[float]:
        """Give the values seen at a rung, best first."""
        return tuple(self._values[epoch])


def stopper_of(options: TuneOptions, epochs: int) -> Rungs | None:
    """Give the rungs of a sweep, with nothing seen yet; None where nothing stops its trials early."""
    if options.scheduler == "none":
        return None
    # Since 0.5.0 a sweep notes where its first rung is; those before had it after a fifth of the epochs.
    grace = options.grace_epochs or max(1, epochs // 5)
    return Rungs(epochs, grace_epochs=grace, reduction_factor=options.reduction_factor)


def first_rung(epochs: int) -> int:
    """Give after how many epochs trials are compared first, unless the user says it: by then ranks tell something.

    `benchmarks/replay.py variants=true` compares it with others.
    """
    return max(1, epochs // 4)


def rung_levels(epochs: int, grace_epochs: int, reduction_factor: int) -> tuple[int, ...]:
    """Give the epochs at which trials are compared."""
    levels = []
    level = grace_epochs
    while level < epochs:
        levels.append(level)
        level *= reduction_factor
    return tuple(levels)
