"""What a run has of a metric, entry by entry, and which of that is there twice or was never a result."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

#: What Tune's callback logs of Tune's own bookkeeping, in every trial of every script. Its exact names: a user's own
#: `time_per_image` is none of it.
_BOOKKEEPING: Final = frozenset(
    {
        "checkpoint_dir_name",
        "date",
        "done",
        "episodes_total",
        "experiment_id",
        "experiment_tag",
        "hostname",
        "iterations_since_restore",
        "node_ip",
        "pid",
        "should_checkpoint",
        "time_since_restore",
        "time_this_iter_s",
        "time_total_s",
        "timestamp",
        "timesteps_since_restore",
        "timesteps_total",
        "training_iteration",  # the step itself
        "trial_id",  # where it happens to parse as a number: 05834_00000
        "warmup_time",
    }
)
_DRAWN_VALUES: Final = "config/"
#: Bears every run of Tune's callback.
_TUNES_TAG: Final = "trial_name"
_WITH_STEPS: Final = frozenset({_TUNES_TAG, "sweep_id"})


@dataclass(frozen=True)
class Entry:
    """A value that was logged.

    Attributes:
        step: of the metric.
        timestamp: milliseconds.
        value: may be not a number.
        place: line or row that it stands at; a later one was written later.
    """

    step: int
    timestamp: int
    value: float
    place: int


@dataclass(frozen=True)
class Surplus:
    """What is too much in a metric.

    Attributes:
        entries: those to be dropped.
        differing: how many of them have another value than the one that stays.
    """

    entries: tuple[Entry, ...]
    differing: int = 0


def is_bookkeeping(name: str) -> bool:
    """Tell whether a metric of Tune's callback is Tune's bookkeeping; `config/…` is there as parameters too."""
    return name in _BOOKKEEPING or name.startswith(_DRAWN_VALUES)


def bookkeeping(names: Iterable[str], tags: Mapping[str, str]) -> list[str]:
    """Give which metrics of a run are Tune's bookkeeping: none where Tune's callback did not write the run."""
    return sorted(filter(is_bookkeeping, names)) if _TUNES_TAG in tags else []


def repeated(entries: Sequence[Entry], tags: Mapping[str, str]) -> Surplus:
    """Give what a metric has a second time at a step: of each step the latest stays, by time, then by place.

    A metric whose entries all stand at step 0 was logged without steps, and has nothing twice; Tune's callback and our
    sweeps always give steps.
    """
    latest: dict[int, Entry] = {}
    for entry in entries:
        kept = latest.get(entry.step)
        if kept is None or (entry.timestamp, entry.place) > (kept.timestamp, kept.place):
            latest[entry.step] = entry
    if latest.keys() <= {0} and not _WITH_STEPS & tags.keys():
        return Surplus(())
    dropped = tuple(entry for entry in entries if entry is not latest[entry.step])
    return Surplus(dropped, sum(not _same(entry.value, latest[entry.step].value) for entry in dropped))


def without(entries: Sequence[Entry], dropped: Collection[Entry]) -> list[Entry]:
    """Give the entries that stay."""
    places = {entry.place for entry in dropped}
    return [entry for entry in entries if entry.place not in places]


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))
