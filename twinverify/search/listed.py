"""A space that is a list of configurations, tried in the order in which they stand: an ablation, a confirmation."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from twinverify.config import checked, leaves, with_values
from twinverify.errors import UserError, did_you_mean
from twinverify.search.domains import Choice
from twinverify.search.entries import Alternative, Entry
from twinverify.settings import Config
from twinverify.yaml12 import spelled

#: The word under which a space lists its configurations; such a space has nothing else.
CONFIGURATIONS: Final = "configurations"
_EXAMPLE: Final = "configurations: [{model.glca.blocks: 0}, {model.pwca.blocks: 0}]"

Values = Mapping[str, Any]


def parse_configurations(written: Any, base: Config, fixed: Collection[str], where: str) -> tuple[dict[str, Any], ...]:
    """Read the list, each configuration checked by itself.

    Args:
        written: a list of mappings from dotted keys to values.
        base: the configuration of what a row leaves out.
        fixed: settings that keep the base's value.
        where: the start of an error line.

    Returns:
        The values of each row, without the fixed ones; rows of fixed ones alone are left out.

    Raises:
        UserError: it is no such list, a setting or a value in it is wrong, or all of its settings are fixed.
    """
    if not isinstance(written, list) or not written or not all(isinstance(row, dict) and row for row in written):
        raise UserError(f"{where}: {CONFIGURATIONS} wants a list of settings with their values, such as {_EXAMPLE}")
    rows = [_row(row, base, fixed, f"{where}: configuration {number}") for number, row in enumerate(written, 1)]
    # One that has nothing left is the base's, which every sweep begins with.
    free = tuple(row for row in rows if row)
    if not free:
        raise UserError(f"{where}: all its settings are fixed already: {', '.join(fixed)}; leave one free")
    return free


def entries_of(rows: Sequence[Values]) -> tuple[Entry, ...]:
    """Give the settings that stand in the rows, each as a choice of the values that it has there."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return tuple(Entry(key, (Alternative(Choice(_values(key, rows))),), CONFIGURATIONS) for key in keys)


def _row(row: Mapping[Any, Any], base: Config, fixed: Collection[str], where: str) -> dict[str, Any]:
    for key in row:
        if key not in leaves(Config):
            raise UserError(f"{where}: {spelled(key)} is not a setting; {did_you_mean(str(key), leaves(Config))}")
    values = {key: value if isinstance(value, str) else checked(key, value, where) for key, value in row.items()}
    free = {key: value for key, value in values.items() if key not in fixed}
    with_values(base, free, where)
    return free


def _values(key: str, rows: Sequence[Values]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(row[key] for row in rows if key in row))
