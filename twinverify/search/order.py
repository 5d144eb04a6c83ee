"""The order of drawing: each setting after those that its conditions ask for."""

from collections.abc import Sequence

from twinverify.errors import UserError
from twinverify.search.entries import Entry


def in_order(entries: Sequence[Entry], where: str) -> tuple[Entry, ...]:
    """Sort entries so that each follows those it depends on; otherwise as they stand.

    Raises:
        UserError: some wait for each other; the line names them.
    """
    waiting = {entry.key: entry for entry in entries}
    ordered: list[Entry] = []
    while waiting:
        ready = next((entry for entry in waiting.values() if not entry.depends_on & waiting.keys()), None)
        if ready is None:
            raise UserError(f"{where}: conditions in a circle: {' -> '.join(_circle(waiting))}")
        ordered.append(waiting.pop(ready.key))
    return tuple(ordered)


def _circle(waiting: dict[str, Entry]) -> list[str]:
    path = [next(iter(waiting))]
    while True:
        following = min(waiting[path[-1]].depends_on & waiting.keys())
        if following in path:
            return [*path[path.index(following) :], following]
        path.append(following)
