"""All combinations of a conditional space."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twinverify.search.entries import Entry


def grid(entries: Sequence[Entry], base: Mapping[str, Any], points: int) -> Iterator[dict[str, Any]]:
    """Give every combination of the settings that exist, the last setting turning fastest.

    Args:
        entries: the settings, each after those that it depends on.
        base: the value of every setting that is not drawn.
        points: how many values a range gives, ends included.
    """
    if points < 1:
        raise ValueError(f"points is {points}; a grid needs 1 or more")
    return _below(entries, dict(base), {}, points)


def _below(
    entries: Sequence[Entry], values: dict[str, Any], drawn: dict[str, Any], points: int
) -> Iterator[dict[str, Any]]:
    if not entries:
        yield drawn
        return
    entry, *rest = entries
    domain = entry.domain(values)
    if domain is None:
        yield from _below(rest, values, drawn, points)
        return
    for value in domain.points(points):
        yield from _below(rest, values | {entry.key: value}, drawn | {entry.key: value}, points)
