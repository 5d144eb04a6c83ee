"""What a layout reader finds in a data folder, before anything is checked."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

Side = Literal["train", "validation", "test"]
SIDES: Final[tuple[Side, ...]] = ("train", "validation", "test")


@dataclass
class Listing:
    """People, images and pairs as a data set states them.

    `sides` may name several sides for a person (that is a leak, refused later) and may leave people out.
    """

    images: dict[str, list[Path]]
    pairs: list[tuple[str, str]] = field(default_factory=list)
    sides: dict[str, set[Side]] | None = None
    notes: list[str] = field(default_factory=list)
