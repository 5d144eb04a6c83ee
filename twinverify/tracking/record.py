"""What a run is made from."""

from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

#: What all metrics of a training begin with; others in a run are somebody else's.
OURS: Final = ("train/", "val/", "system/")


class Record(Protocol):
    """A trial as the journal tells it, or a single training."""

    number: int
    values: dict[str, Any]
    state: Any
    cause: str | None
    drawn_at: float
    ended_at: float | None
    reports: list[dict[str, float]]
    reported_at: list[float]


@dataclass
class Snapshot:
    """A record as it was when it was handed over."""

    number: int
    values: dict[str, Any]
    state: str
    cause: str | None
    drawn_at: float
    ended_at: float | None
    reports: list[dict[str, float]]
    reported_at: list[float]

    @classmethod
    def of(cls, record: Record) -> Self:
        """Copy a record; a report, once made, never changes."""
        return cls(
            record.number,
            dict(record.values),
            str(record.state),
            record.cause,
            record.drawn_at,
            record.ended_at,
            list(record.reports),
            list(record.reported_at),
        )
