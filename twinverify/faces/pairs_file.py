"""Twin pairs from a JSON or CSV file."""

import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twinverify.errors import UserError, some
from twinverify.faces.listing import Side
from twinverify.faces.parsing import read_json, read_table

#: The official ND-TWINS table writes `nd1S90004` for the folder `90004`.
ND_PREFIX: Final = "nd1S"
_SIDE_NAMES: Final[dict[str, Side]] = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
_HEADER = re.compile(r"id|person|subject|twin|name|first|second|^[ab]$", re.IGNORECASE)
_ID_COLUMN = re.compile(r"(^|[^a-z])id([^a-z]|$)|person|subject", re.IGNORECASE)
_TWIN_RELATION = re.compile(r"\b(twins?|triplets?|quadruplets?|identical|fraternal|mono ?zygotic|di ?zygotic|mz|dz)\b")
_NO_TWINS = re.compile(r"\b(non?|not|un)\b")


@dataclass(frozen=True)
class PairFile:
    """The pairs of one file as they stand there; `sides` where the file has lists for train, val and test."""

    pairs: tuple[tuple[str, str], ...]
    sides: dict[str, set[Side]] | None = None
    notes: tuple[str, ...] = ()


def read_pairs(path: Path, known: Container[str]) -> PairFile:
    """Read pairs of ids.

    Args:
        path: JSON (`[["a", "b"], …]`, or `{"train": […], "val": […], "test": […]}`), or CSV with two columns of ids,
            with or without a header; of a CSV with a column `relationship_type` only the rows that name twins count.
        known: the ids that exist, to tell a header from a pair and `nd1S90004` from `90004`.

    Raises:
        UserError: the file is missing or malformed. Unknown ids are not looked at here.
    """
    if not path.is_file():
        raise UserError(f"pairs {path}: no such file; a JSON list of pairs, or a CSV with two id columns")
    if path.suffix.lower() == ".json":
        return _from_json(path, read_json(path), known)
    if path.suffix.lower() in (".csv", ".tsv"):
        return _from_table(path, read_table(path), known)
    raise UserError(f"pairs {path}: its name ends in neither .json nor .csv")


def _from_json(path: Path, tree: Any, known: Container[str]) -> PairFile:
    if isinstance(tree, list):
        return PairFile(_pair_list(path, tree, known))
    if not isinstance(tree, dict) or not tree.keys() <= _SIDE_NAMES.keys():
        raise UserError(f'{path}: a list of pairs, or {{"train": […], "val": […], "test": […]}} is expected')
    pairs: list[tuple[str, str]] = []
    sides: dict[str, set[Side]] = {}
    for name, entries in tree.items():
        listed = _pair_list(path, entries, known)
        pairs += listed
        for person in (person for pair in listed for person in pair):
            sides.setdefault(person, set()).add(_SIDE_NAMES[name])
    for needed in ("train", "test"):
        if not tree.get(needed):
            raise UserError(f"{path}: has no pairs under {needed}; a plain list of pairs is split for you")
    return PairFile(tuple(pairs), sides)


def _pair_list(path: Path, entries: Any, known: Container[str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(entries, list):
        raise UserError(f"{path}: a list of pairs is expected, not {type(entries).__name__}")
    pairs = []
    for number, entry in enumerate(entries, start=1):
        is_pair = isinstance(entry, list) and len(entry) == 2
        if not is_pair or not all(isinstance(name, str | int) and not isinstance(name, bool) for name in entry):
            raise UserError(f"{path}: entry {number} is {str(entry)[:60]}; a pair of ids is expected")
        first, second = (_as_known(str(name), known) for name in entry)
        pairs.append((first, second))
    return tuple(pairs)


def _from_table(path: Path, rows: list[list[str]], known: Container[str]) -> PairFile:
    header = [] if any(_as_known(cell, known) in known for cell in rows[0]) else rows[0]
    if header and not any(_HEADER.search(cell) for cell in header):
        header = []  # a first pair of unknown people is to be named, not taken for a header
    first, second = _id_columns(path, header, len(rows[0]))
    body = rows[1:] if header else rows
    if not body:
        raise UserError(f"{path}: a header, but no pairs; leave the file out where there are no twins")
    notes: list[str] = []
    relation = next((i for i, cell in enumerate(header) if "relation" in cell.lower()), None)
    if relation is not None:
        body = _twins_only(path, body, relation, notes)
    pairs = tuple((_as_known(row[first], known), _as_known(row[second], known)) for row in body)
    return PairFile(pairs, notes=tuple(notes))


def _id_columns(path: Path, header: list[str], width: int) -> tuple[int, int]:
    if width == 2:
        return 0, 1
    columns = [i for i, cell in enumerate(header) if _ID_COLUMN.search(cell)]
    if len(columns) != 2:
        raise UserError(f"{path}: has {width} columns; two are expected, or a header with two id columns")
    return columns[0], columns[1]


def _twins_only(path: Path, body: list[list[str]], column: int, notes: list[str]) -> list[list[str]]:
    left_out = Counter(row[column] for row in body if not _is_twin_relation(row[column]))
    kept = [row for row in body if _is_twin_relation(row[column])]
    if not kept:
        found = some(sorted(left_out)) or "no rows"
        raise UserError(f"{path}: no row's relationship_type names twins (found: {found})")
    if left_out:
        kinds = some((f"{kind or 'empty'} ({count})" for kind, count in sorted(left_out.items())), 8)
        notes.append(f"{path.name}: rows that name no twins are left out: {kinds}")
    return kept


def _is_twin_relation(text: str) -> bool:
    words = re.sub(r"[\W_]+", " ", text.lower())
    return bool(_TWIN_RELATION.search(words)) and not _NO_TWINS.search(words)


def _as_known(name: str, known: Container[str]) -> str:
    candidates = (name, name.removeprefix(ND_PREFIX), ND_PREFIX + name)
    return next((candidate for candidate in candidates if candidate in known), name)
