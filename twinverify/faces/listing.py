"""What a layout reader finds in a data folder, before anything is checked."""

from collections.abc import Iterable, Sequence
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


def some(names: Iterable[object], limit: int = 3) -> str:
    """Give the first few names for an error line, on one line whatever is in them: `a, b, c and 4 more`."""
    texts = [text if (text := str(name)).isprintable() else ascii(text) for name in names]
    rest = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + rest


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Give `1 pair` or `3 pairs`."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def connected(ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give for each id the smallest id of its connected component (union-find with path halving)."""
    parent = {name: name for name in ids}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {name: root(name) for name in ids}
