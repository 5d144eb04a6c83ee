"""A search in simulated time: slots that train the surrogate's curves, an epoch at a time."""

import heapq
from collections.abc import Mapping
from typing import Any, Protocol

from surrogate import Surrogate


class Search(Protocol):
    """What draws trials and stops them: see `search_ours.py` and `search_peers.py`."""

    def draw(self) -> tuple[int, Mapping[str, Any]] | None:
        """Give number and values of the next trial; None where there is none."""

    def report(self, number: int, epoch: int, cost: float) -> bool:
        """Take in one epoch of a trial, and say whether it goes on."""


def epochs_to(target: float, search: Search, surrogate: Surrogate, *, slots: int, most: int) -> int | None:
    """Give how many epochs have been trained, on all slots, when a trial first reaches `target`.

    A trial is judged by the epochs that it was trained for, as the leaderboard does: by the best of them. Trial 0, the
    default, does not count: it is given, not found.

    Args:
        target: the cost to reach.
        search: as it begins.
        surrogate: the trainings.
        slots: trials at once; each epoch takes what it took where it was recorded.
        most: give up after so many epochs.

    Returns:
        The epochs; None where `most` did not do.
    """
    running: list[tuple[float, int, int]] = []  # when its next epoch ends, trial, epoch
    curves: dict[int, Any] = {}
    trained = 0

    def start(now: float) -> None:
        drawn = search.draw()
        if drawn is not None:
            number, values = drawn
            curves[number] = surrogate.curve(values)
            heapq.heappush(running, (now + curves[number][1], number, 1))

    for _ in range(slots):
        start(0.0)
    while running and trained < most:
        now, number, epoch = heapq.heappop(running)
        costs, pace = curves[number]
        trained += 1
        cost = float(costs[epoch - 1])
        if cost <= target and number:  # trial 0 is given, not found
            return trained
        if search.report(number, epoch, cost):
            heapq.heappush(running, (now + pace, number, epoch + 1))
        else:
            start(now)
    return None
