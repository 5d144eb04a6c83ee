"""A look at random points of a space before a search starts, so that no trial fails on what could be known."""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Final

from twinverify.config import with_values
from twinverify.errors import UserError
from twinverify.search.domains import Domain
from twinverify.settings import Config
from twinverify.yaml12 import spelled

#: A combination that one point in 50 has is found in 98 of 100 searches.
POINTS: Final = 200

Walk = Callable[[Callable[[str, str, Domain], Any]], dict[str, Any]]


def probe(walk: Walk, base: Config, where: str) -> None:
    """Draw points and make a configuration of each.

    Args:
        walk: gives a point, each of its values chosen by the function handed over (`Space.walk`).
        base: the configuration of what is not drawn.
        where: the start of an error line.

    Raises:
        UserError: a point is no valid configuration, or no point has any value.
    """
    drawn_any = False
    for position in _positions():
        values = walk(lambda key, name, domain, position=position: domain.at(position()))  # type: ignore[misc]
        drawn_any = drawn_any or bool(values)
        try:
            with_values(base, values, where)
        except UserError as error:
            reason = str(error).removeprefix(f"{where}: ")
            found = _culprits(base, values, where, str(error))
            culprits = ", ".join(f"{key}={spelled(value)}" for key, value in found.items())
            raise UserError(f"{where}: it can draw {culprits}, which cannot be: {reason}") from None
    if not drawn_any:
        raise UserError(f"{where}: none of its conditions holds under this configuration, so there is nothing to draw")


def _positions() -> Iterator[Callable[[], float]]:
    """Give the two outermost corners, then random points, the same each time."""
    yield lambda: 0.0
    yield lambda: 1.0 - 2**-53
    random = Random(0)
    for _ in range(POINTS):
        yield random.random


def _culprits(base: Config, values: Mapping[str, Any], where: str, reason: str) -> dict[str, Any]:
    """Give the fewest of the drawn values that are wrong for the same reason already."""
    kept = dict(values)
    for key in values:
        fewer = {other: value for other, value in kept.items() if other != key}
        try:
            with_values(base, fewer, where)
        except UserError as error:
            kept = fewer if str(error) == reason else kept
    return kept
