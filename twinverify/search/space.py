"""A search space: YAML to a conditional, define-by-run Optuna space, checked before anything starts.

The form of the files is told in `search_spaces/README.md`.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from twinverify.config import flatten
from twinverify.errors import UserError
from twinverify.search.domains import Domain
from twinverify.search.entries import Entry, parse_entry
from twinverify.search.grid import grid
from twinverify.search.listed import CONFIGURATIONS, entries_of, parse_configurations
from twinverify.search.order import in_order
from twinverify.search.probe import probe
from twinverify.search.prune import prune
from twinverify.search.space_files import find_space, read_space_file
from twinverify.settings import Config
from twinverify.yaml12 import parse_yaml, spelled

if TYPE_CHECKING:  # `import optuna` takes 0.3 s, and bad input is found without it
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

_MISSING: Final = object()
#: What these sections say decides who is trained with, judged and sealed; only the deal of the families that are not
#: sealed may differ between trials.
_DATA: Final = ("split.", "synthetic.")
_MAY_BE_DRAWN: Final = "split.reshuffle"


class Row(NamedTuple):
    """One line about a space for people."""

    key: str
    values: str
    condition: str


@dataclass(frozen=True)
class Space:
    """Which settings a search draws, from what, and when.

    Attributes:
        name: the file's name without its ending.
        path: the file.
        entries: the settings in an order in which each one's conditions are decided before it.
        base: the value of every setting that is not drawn.
        written: the lines of the space, included ones too, as they were written.
        rows: where the space is a list of configurations, their values; they are all that is tried, in this order.
    """

    name: str
    path: Path
    entries: tuple[Entry, ...]
    base: Mapping[str, Any]
    written: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """The settings that may be drawn."""
        return tuple(entry.key for entry in self.entries)

    def draw(self, trial: "BaseTrial") -> dict[str, Any]:
        """Let an Optuna trial draw the settings that exist, given what it drew before; JSON types only."""
        return self.walk(lambda key, name, domain: domain.suggest(trial, name))

    def walk(self, pick: Callable[[str, str, Domain], Any]) -> dict[str, Any]:
        """Give the value of each setting that exists, as `pick(key, parameter name, domain)` chooses it.

        Raises:
            UserError: no value of a setting fits the others.
        """
        drawn: dict[str, Any] = {}
        values = dict(self.base)
        for entry in self.entries:
            domain = entry.domain(values)
            if domain is not None:
                drawn[entry.key] = values[entry.key] = pick(entry.key, entry.name(domain, self._drawn), domain)
        return drawn

    def parameters(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, "BaseDistribution"]]:
        """Tell how given values stand in Optuna, as `create_trial(params=…, distributions=…)` wants them.

        Args:
            values: dotted key -> value; of the keys that do not exist under the other values nothing is told, nor of
                a value that lies outside its distribution.

        Returns:
            parameter name -> value, and parameter name -> distribution.
        """
        told: dict[str, Any] = {}
        distributions: dict[str, BaseDistribution] = {}

        def pick(key: str, name: str, domain: Domain) -> Any:
            value = values.get(key, _MISSING)
            if value is _MISSING:
                return self.base[key]
            if value in domain:
                told[name], distributions[name] = domain.held(value), domain.distribution()
            return value

        self.walk(pick)
        return told, distributions

    def default_values(self) -> dict[str, Any]:
        """Give the base configuration's values of the settings that exist under it."""
        return self.walk(lambda key, name, domain: self.base[key])

    def grid(self, points: int = 3) -> Iterator[dict[str, Any]]:
        """Give every combination, in a fixed order: all choices, ranges at `points` values from end to end.

        Of a list of configurations: each of them.
        """
        if self.rows:
            return (dict(row) for row in self.rows)
        return grid(self.entries, self.base, points)

    def describe(self) -> list[Row]:
        """Give a row for each setting and alternative, in the order of drawing."""
        return [
            Row(entry.key, str(option), " and ".join(map(str, option.when)))
            for entry in self.entries
            for option in entry.alternatives
        ]

    @property
    def digest(self) -> str:
        """Sixteen hex digits that change with any setting, distribution, condition, or their order."""
        return digest_of(self.written)

    @property
    def text(self) -> str:
        """The whole space as YAML that `load_space` reads, whatever becomes of the files that it came from."""
        return yaml.safe_dump(dict(self.written), sort_keys=False, width=120)

    @property
    def _drawn(self) -> frozenset[str]:
        return frozenset(self.keys)


def digest_of(written: Mapping[str, Any]) -> str:
    """Give the digest of a space's lines: see `Space.digest`."""
    lines = [[key, line] for key, line in written.items()]
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()[:16]


def load_space(source: str | Path, base: Config, fixed: Collection[str] = ()) -> Space:
    """Read a search space and check it against the configuration, to the point that no draw can be invalid.

    Args:
        source: a name in the project's `search_spaces/`, or a YAML file.
        base: the configuration of what is not drawn; also what trial 0 is.
        fixed: settings that keep the base's value, such as those given on the command line.

    Raises:
        UserError: no such space, a mistake in it, it draws what decides who is judged, or combinations in it are no
            valid configuration.
    """
    path = find_space(source)
    space = _space(path, read_space_file(path), base, fixed)
    _check_same_data(space)
    return space


def parse_space(text: str, path: Path, base: Config, fixed: Collection[str] = ()) -> Space:
    """Give the space that `Space.text` told, checked as one that is read from a file.

    Only what would be of different data passes: a sweep of an older version may have drawn it, and can still be read.

    Args:
        text: the whole space.
        path: the file that it once came from, which need not be there: its name is the space's.
        base: as in `load_space`.
        fixed: as in `load_space`.

    Raises:
        UserError: as `load_space`.
    """
    written = parse_yaml(text, f"space {path.stem}")
    return _space(path, written if isinstance(written, dict) else {}, base, fixed)


def _check_same_data(space: Space) -> None:
    for key in space.keys:
        if key.startswith(_DATA) and key != _MAY_BE_DRAWN:
            raise UserError(
                f"space {space.name}: {key} cannot be drawn: it decides who is trained with, judged and sealed, and"
                f" trials of different data cannot be compared; fix it on the command line instead, such as"
                f" {key}={spelled(space.base[key])}"
            )


def _space(path: Path, written: Mapping[str, Any], base: Config, fixed: Collection[str]) -> Space:
    where = f"space {path.stem}"
    if not written:
        raise UserError(
            f"{where}: {path}: it has no settings; write such as train.clip: {{float: [0.1, 10], log: true}}"
        )
    values = flatten(base)
    if CONFIGURATIONS in written:
        rows = parse_configurations(written[CONFIGURATIONS], base, fixed, where)
        return Space(path.stem, path, entries_of(rows), values, {CONFIGURATIONS: [dict(row) for row in rows]}, rows)
    free = {key: line for key, line in written.items() if key not in fixed}
    if not free:
        raise UserError(f"{where}: all its settings are fixed already: {', '.join(written)}; leave one free")
    # What is fixed is checked as well: a mistake in the file stays one.
    entries = [parse_entry(key, line, where) for key, line in written.items()]
    ordered = in_order(prune([entry for entry in entries if entry.key in free], values), where)
    space = Space(path.stem, path, ordered, values, free)
    probe(space.walk, base, where)
    return space
