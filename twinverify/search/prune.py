"""A space without what the configuration decides already, so that only what can be drawn is left to see and to name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from twinverify.search.conditions import Comparison
from twinverify.search.domains import Choice
from twinverify.search.entries import Alternative, Entry


def prune(entries: Sequence[Entry], base: Mapping[str, Any]) -> list[Entry]:
    """Leave out conditions that always hold, alternatives that never do, and settings without an alternative.

    Args:
        entries: the settings that a space draws.
        base: the value of every setting that is not drawn.
    """
    left = list(entries)
    while True:
        before = {entry.key: entry for entry in left}
        pruned = [replace(entry, alternatives=_alive(entry, before, base)) for entry in left]
        left = [entry for entry in pruned if entry.alternatives]
        if left == list(before.values()):
            return left


def _alive(entry: Entry, drawn: Mapping[str, Entry], base: Mapping[str, Any]) -> tuple[Alternative, ...]:
    alive: list[Alternative] = []
    for option in entry.alternatives:
        decided = {test: test.holds(base) for test in option.when if _is_decided(test, entry.key, drawn, base)}
        if not all(decided.values()):
            continue
        when = tuple(test for test in option.when if test not in decided)
        alive.append(replace(option, when=when))
        if not when:  # it always holds, so those after it are never reached
            break
    return tuple(alive)


def _is_decided(test: Comparison, own: str, drawn: Mapping[str, Entry], base: Mapping[str, Any]) -> bool:
    if test.tests_null and test.key in drawn and test.key != own:
        return base[test.key] is not None and not _can_be_null(drawn[test.key])
    return not (test.depends_on - {own}) & drawn.keys()


def _can_be_null(entry: Entry) -> bool:
    return any(isinstance(option.domain, Choice) and None in option.domain for option in entry.alternatives)
