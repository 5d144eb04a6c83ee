"""A command that is started, killed at seeded moments, and started again, until it ends by itself."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from processes import Command, Target, Watch, end_all

#: How many of the kills take all processes, the driver alone, a single worker.
SHARES: dict[Target, float] = {"tree": 0.7, "driver": 0.15, "worker": 0.15}
_REFUSALS_IN_A_ROW = 3


@dataclass(frozen=True)
class Kill:
    """One kill: when, as a share of the horizon after the start (or after the last kill that left it running)."""

    share: float
    target: Target


def schedule(kills: int, seed: int) -> list[Kill]:
    """Give the kills of a soak; the same seed gives the same."""
    rng = random.Random(seed)
    targets = rng.choices(list(SHARES), list(SHARES.values()), k=kills)
    return [Kill(rng.random(), target) for target in targets]


class Side(Protocol):
    """What is started again and again."""

    folder: Path

    def words(self) -> Sequence[str]:
        """Give the command of the next start."""

    def environment(self) -> Mapping[str, str]:
        """Give its environment."""

    def extend(self) -> bool:
        """Ask for more work, since all is done while kills are left; False where that cannot be."""

    def reports(self) -> int:
        """Give how many epochs have been reported so far."""

    def look(self) -> None:
        """Take note of what the disk holds right after a kill."""


@dataclass
class Course:
    """What happened to a command on its way through the kills."""

    hit: Counter[Target] = field(default_factory=Counter)
    #: Kills before which, since the last one, something had been trained.
    training: int = 0
    starts: int = 0
    #: The last words of starts that ended by themselves with another status than 0.
    failed: list[str] = field(default_factory=list)
    #: Processes that outlived their driver by too much.
    orphans: list[str] = field(default_factory=list)
    outlived: float = 0.0
    seconds: float = 0.0
    #: The last start ended by itself with status 0.
    done: bool = False


def run_killed(side: Side, kills: Sequence[Kill], *, horizon: float, limit: float, seed: int) -> Course:
    """Start the side's command, kill it, start it again; after the last kill let it run to its end.

    Args:
        side: what to start.
        kills: what to do to it.
        horizon: seconds within which a kill comes.
        limit: seconds that a start may take that nobody kills.
        seed: chooses the worker where there are several.
    """
    course, watch, rng = Course(), Watch(), random.Random(seed)
    began, left, refusals, reports = time.monotonic(), list(kills), 0, 0
    command: Command | None = None
    until = _until(left, horizon, limit)
    try:
        while refusals < _REFUSALS_IN_A_ROW:
            if command is None:
                command = _start(side, course)
            if not _ended(command, until, watch):
                if not left:
                    course.failed.append(f"{command.log.name}: not done after {limit:.0f} s")
                    break
                hit, bereft = command.kill(left.pop(0).target, rng)
                watch.add(bereft)
                course.hit[hit] += 1
                side.look()
                before, reports = reports, side.reports()
                course.training += reports > before
                refusals, until = 0, _until(left, horizon, limit)
                command = command if hit == "worker" else None
                continue
            refusals = refusals + 1 if command.status else 0
            if command.status:
                course.failed.append(command.last_words())
            # The time to the next kill runs on, or a late one would never come.
            elif not left or not side.extend():
                course.done = True
                break
            command = None
        watch.settle()
    finally:
        end_all()
    course.orphans, course.outlived = watch.orphans, watch.outlived
    course.seconds = time.monotonic() - began
    return course


def _start(side: Side, course: Course) -> Command:
    log = side.folder / "log" / f"{course.starts:03d}.txt"
    log.parent.mkdir(exist_ok=True)
    course.starts += 1
    return Command(side.words(), side.environment(), side.folder, log)


def _until(left: Sequence[Kill], horizon: float, limit: float) -> float:
    """Give the moment of the next kill, or that at which all takes too long."""
    return time.monotonic() + (left[0].share * horizon if left else limit)


def _ended(command: Command, until: float, watch: Watch) -> bool:
    """Wait until then; say whether the command has ended by itself."""
    while time.monotonic() < until:
        if command.status is not None:
            return True
        watch.look()
        time.sleep(min(0.02, max(0.0, until - time.monotonic())))
    return command.status is not None
