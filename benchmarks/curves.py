"""Tables of recorded learning curves: a JSON line a trial, below a line that tells how they were made."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from twinverify.errors import UserError

CURVES = Path(__file__).parent / "curves"


@dataclass(frozen=True)
class Curve:
    """One recorded training.

    Attributes:
        number: of the draw; 0 is the default.
        seed: of the training.
        values: drawn, under their dotted keys.
        costs: the objective after each epoch, smaller is better; shorter where the training diverged.
        seconds: CPU time of each epoch, with its validation.
    """

    number: int
    seed: int
    values: dict[str, Any]
    costs: list[float]
    seconds: list[float]


def read_table(path: Path) -> tuple[dict[str, Any], list[Curve]]:
    """Give a table's first line, and its curves.

    Raises:
        UserError: it is not there, or empty.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if not lines:
        raise UserError(f"{path}: no such table; python benchmarks/record_curves.py makes it")
    return json.loads(lines[0]), [Curve(**json.loads(line)) for line in lines[1:]]


def known(path: Path, header: Mapping[str, Any]) -> list[Curve]:
    """Give the curves that a table has already; a line cut off by a kill is dropped.

    Raises:
        UserError: the table was made otherwise.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    if not whole:
        return []
    first, curves = read_table(path)
    # Other versions change last digits, not what a curve tells.
    different = [key for key in header if key != "versions" and first.get(key) != header[key]]
    if different:
        raise UserError(f"{path}: recorded with other {', '.join(different)}; move it away to record anew")
    return curves


def append(path: Path, header: Mapping[str, Any], curve: Curve) -> None:
    """Add a curve; a new table gets its first line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if not file.tell():
            file.write(json.dumps(header) + "\n")
        file.write(json.dumps(asdict(curve)) + "\n")


def values_key(values: Mapping[str, Any]) -> str:
    """Give a text that two draws share where they are the same training."""
    return json.dumps(values, sort_keys=True)
