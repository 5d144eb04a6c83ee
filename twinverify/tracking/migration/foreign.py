"""A run of another tracker, as it was read: what becomes one MLflow run."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple


class Point(NamedTuple):
    """A value of a metric.

    Attributes:
        name: of the metric, as the other tracker has it.
        step: of the metric.
        at: seconds since the epoch; None where that was not told.
        value: may be infinite or not a number.
    """

    name: str
    step: int
    at: float | None
    value: float


@dataclass
class ForeignRun:
    """What a run of Weights & Biases tells.

    Attributes:
        run_id: its id there; None where the export has none.
        name: for people.
        project: its project there.
        entity: its user or team there.
        state: finished, failed, crashed, killed, preempted or running; None where that was not told.
        started: seconds since the epoch, or None.
        ended: likewise.
        config: nested.
        points: its metrics.
        summary: nested.
        labels: its tags there.
        notes: Markdown.
        group: of runs.
        job_type: such as `train` or `eval`.
        sweep: id of the sweep it belongs to.
        host: machine that it ran on.
        commit: of git.
        log: what it printed, or the file with it.
        samples: how many values of each system metric were taken.
        left_out: what of it is no number in time, by kind -> how often.
        told: what else its reader has to say of it.
    """

    run_id: str | None = None
    name: str = ""
    project: str = ""
    entity: str = ""
    state: str | None = None
    started: float | None = None
    ended: float | None = None
    config: dict[str, Any] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    notes: str = ""
    group: str = ""
    job_type: str = ""
    sweep: str = ""
    host: str = ""
    commit: str = ""
    log: str | Path | None = None
    samples: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What tells this run from all others; an export without ids has names only."""
        own = self.run_id or f"name:{self.name}"
        return f"wandb:{self.entity or '?'}/{self.project or '?'}/{own}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing could be read of it."""
        return not (self.points or self.config or self.summary or self.state == "finished")


@dataclass(frozen=True)
class Source:
    """A run that can be read: a folder's is read when its turn comes, since all of them may not fit into memory.

    Attributes:
        name: for people.
        read: gives the run.
    """

    name: str
    read: Callable[[], ForeignRun]


#: Keys of a history's row that are about the row.
STEP, TIME = "_step", "_timestamp"
_OF_THE_ROW: Final = frozenset({STEP, TIME, "_runtime", "_wandb"})


def add_row(run: ForeignRun, row: Mapping[str, Any], step: int) -> None:
    """Take a row of a history: its numbers, and count what is none."""
    at = number_of(row.get(TIME))
    for name, value in leaves({key: value for key, value in row.items() if key not in _OF_THE_ROW}):
        number = number_of(value)
        if number is not None:
            run.points.append(Point(name, step, at, number))
        elif value is not None:
            run.left_out[_kind(value)] += 1


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give dotted name and value of all in a nested mapping; media (what has a `_type`) are one value each."""
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and "_type" not in value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def number_of(value: Any) -> float | None:
    """Give a value as a number; JSON exports have NaN and Infinity as words."""
    if isinstance(value, int | float):
        return float(value) if isinstance(value, float) or abs(value) < _LARGEST else math.inf
    return _WORDS.get(value) if isinstance(value, str) else None


_LARGEST: Final = 10**300
_WORDS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("_type", "mapping")).removesuffix("-file")
    return {"str": "text", "list": "list"}.get(type(value).__name__, type(value).__name__)
