"""JSON and CSV files written by others: read strictly, and every mistake named with its place."""

import csv
import json
from pathlib import Path
from typing import Any

from twinverify.errors import UserError, some


def read_text(path: Path) -> str:
    """Read a text file, with or without a byte order mark.

    Raises:
        UserError: it cannot be opened, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None


def read_json(path: Path) -> Any:
    """Read a JSON file in which no object may hold a key twice (JSON itself would keep the last one silently).

    Raises:
        UserError: the file cannot be read, is not JSON, or has a key twice.
    """

    def without_repeats(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            keys = [key for key, _ in items]
            twice = next(key for key in found if keys.count(key) > 1)
            raise UserError(f"{path}: {some([twice])} stands in it more than once; each id may have one entry")
        return found

    try:
        return json.loads(read_text(path), object_pairs_hook=without_repeats)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not valid JSON (line {error.lineno}: {error.msg})") from None
    except (RecursionError, ValueError):  # nested too deep, or a number of thousands of digits
        raise UserError(f"{path}: not valid JSON") from None


def read_table(path: Path) -> list[list[str]]:
    """Read the rows of a CSV file, cells stripped, empty rows left out; comma, semicolon or tab, as its first line has.

    Raises:
        UserError: the file cannot be read, is empty, or its rows differ in length.
    """
    text = read_text(path)
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    try:
        reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}: not valid CSV ({error})") from None
    rows = [row for row in rows if any(row)]
    if not rows:
        raise UserError(f"{path}: is empty; a table with two columns of ids is expected")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise UserError(f"{path}: row {number} has {len(row)} columns, the first row {len(rows[0])}")
    return rows
