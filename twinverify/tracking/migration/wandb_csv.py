"""CSV exports of Weights & Biases: of a project's table (a run a row), of a chart (a step a row), and the API's."""

import ast
import csv
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from twinverify.errors import UserError
from twinverify.tracking.migration.foreign import ForeignRun, Point, Source
from twinverify.tracking.migration.wandb_json import read_tree, time_of

_STEPS: Final = frozenset({"step", "_step", "global_step", "epoch", "trainer/global_step"})
#: `run - loss__MIN` and `…__MAX` are the edges of what the chart averaged; the value stands in `run - loss`.
_EDGES: Final = ("__MIN", "__MAX")
_BETWEEN: Final = " - "
#: Columns of the table that are about the run.
_ABOUT: Final = {
    "id": "run_id",
    "name": "name",
    "state": "state",
    "notes": "notes",
    "group": "group",
    "job type": "job_type",
    "sweep": "sweep",
    "hostname": "host",
    "project": "project",
    "entity": "entity",
}
_OTHERS: Final = frozenset({"tags", "created", "runtime", "end time", "updated", "user", "commit", "github", "url"})
_NOTHING: Final = frozenset({"", "null", "undefined"})


def csv_sources(files: Sequence[Path], params: Collection[str] | None) -> list[Source]:
    """Give the runs of exports: charts' values join the runs of the same name in a table.

    Args:
        files: the exports.
        params: the table's columns that are parameters; None: not told, so that numbers are taken as both.

    Raises:
        UserError: a file is none of these exports.
    """
    runs: dict[str, list[Callable[[], ForeignRun]]] = {}
    points: dict[str, list[Point]] = {}
    for file in files:
        head, rows = _read(file)
        if _is_of_api(head):
            _from_api(file, head, rows, runs)
        elif _is_table(head):
            _from_table(head, rows, params, runs)
        elif _is_chart(head):
            _from_chart(file, head, rows, points)
        else:
            raise UserError(
                f"{file}: not an export of Weights & Biases: its columns are {', '.join(head[:4])}…; known are a "
                "project's table (Name, State, …), a chart (Step, `RUN - METRIC`, …), and name, config, summary"
            )
    for name in points.keys() - runs.keys():
        runs[name] = [lambda name=name: ForeignRun(name=name)]  # type: ignore[misc]
    return [
        Source(name, _with_points(read, points.get(name, []), len(readers)))
        for name, readers in runs.items()
        for read in readers
    ]


def _with_points(read: Callable[[], ForeignRun], points: Sequence[Point], of_name: int) -> Callable[[], ForeignRun]:
    """Give what reads a run with its values of the charts; a chart tells runs by name, so several have none."""

    def with_points() -> ForeignRun:
        run = read()
        if of_name == 1:
            run.points += points
        elif points:
            run.told.append(f"{of_name} runs have this name, so the charts' values of it are left out")
        return run

    return with_points


def _read(file: Path) -> tuple[list[str], list[list[str]]]:
    try:
        # Histories of many columns have long rows, and a configuration may stand in one field.
        csv.field_size_limit(2**31 - 1)
        with file.open(encoding="utf-8-sig", newline="") as stream:
            head, *rows = list(csv.reader(stream, strict=True)) or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"{file}: not CSV: {error}") from None
    return head, [row for row in rows if any(row)]


def _is_of_api(head: Sequence[str]) -> bool:
    return {"name", "config", "summary"} <= {*head}


def _is_table(head: Sequence[str]) -> bool:
    known = {column.lower() for column in head}
    return "name" in known and bool(known & (_OTHERS | _ABOUT.keys() - {"name"}))


def _is_chart(head: Sequence[str]) -> bool:
    return len(head) > 1 and all(_BETWEEN in column for column in head[1:])


def _from_api(
    file: Path, head: Sequence[str], rows: Sequence[Sequence[str]], runs: dict[str, list[Callable[[], ForeignRun]]]
) -> None:
    """Take what the documentation's own export script writes: dictionaries as Python shows them."""
    for number, row in enumerate(rows, 2):
        fields = dict(zip(head, row, strict=False))
        tree: dict[str, Any] = {key: value for key, value in fields.items() if key}
        for part in ("config", "summary"):
            tree[part] = _literal(fields[part], f"{file}, row {number}")
        runs.setdefault(fields["name"], []).append(lambda tree=tree: read_tree(tree))  # type: ignore[misc]


def _literal(text: str, where: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        # Python shows these two without quotes, and reads them as names.
        return ast.literal_eval(re.sub(r"(?<=[\s:\[(,])(-?)(nan|inf)(?=[\s,\]})])", _as_word, text))
    except (ValueError, SyntaxError):
        raise UserError(f"{where}: {text[:60]}… is no dictionary as Python shows it") from None


def _as_word(match: re.Match[str]) -> str:
    return repr("NaN" if match[2] == "nan" else f"{match[1]}Infinity")


def _from_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    params: Collection[str] | None,
    runs: dict[str, list[Callable[[], ForeignRun]]],
) -> None:
    unknown = [name for name in params or () if name not in head]
    if unknown:
        raise UserError(f"params: {unknown[0]} is no column of the table; it has {', '.join(head)}")
    for row in rows:
        fields = dict(zip(head, row, strict=False))
        runs.setdefault(_about(fields).get("name", ""), []).append(
            lambda fields=fields: _run_of(fields, params)  # type: ignore[misc]
        )


def _about(fields: Mapping[str, str]) -> dict[str, str]:
    told = {_ABOUT[column.lower()]: value for column, value in fields.items() if column.lower() in _ABOUT}
    return {key: value for key, value in told.items() if value not in _NOTHING and value != "-"}


def _run_of(fields: Mapping[str, str], params: Collection[str] | None) -> ForeignRun:
    run = ForeignRun(**_about(fields))  # type: ignore[arg-type]
    by_name = {column.lower(): value for column, value in fields.items()}
    run.labels = [label.strip() for label in by_name.get("tags", "").split(",") if label.strip()]
    run.started = time_of(by_name.get("created"))
    runtime = _number(by_name.get("runtime", ""))
    if run.started is not None and runtime is not None:
        run.ended = run.started + runtime
    for column, text in fields.items():
        if column.lower() in _OTHERS | _ABOUT.keys() or text in _NOTHING:
            continue
        number = _number(text)
        if number is None or params is None or column in params:
            run.config[column] = text
        if number is not None and column not in (params or ()):
            run.summary[column] = number
    return run


def _from_chart(file: Path, head: Sequence[str], rows: Sequence[Sequence[str]], points: dict[str, list[Point]]) -> None:
    if head[0].lower() not in _STEPS:
        raise UserError(
            f"{file}: the chart's x axis is {head[0]}; choose Step in the chart's settings and export again "
            f"(known: {', '.join(sorted(_STEPS))})"
        )
    columns = [
        (number, *column.rpartition(_BETWEEN)[::2])
        for number, column in enumerate(head)
        if number and not column.endswith(_EDGES) and not column.endswith(f"{_BETWEEN}_step")
    ]
    for row in rows:
        step = _number(row[0])
        if step is None or step != int(step):
            raise UserError(f"{file}: {row[0]} is no step; choose Step as the chart's x axis and export again")
        for number, run, metric in columns:
            value = _number(row[number]) if number < len(row) else None
            if value is not None:
                points.setdefault(run, []).append(Point(metric, int(step), None, value))
    for _, run, _ in columns:
        points.setdefault(run, [])


def _number(text: str) -> float | None:
    try:
        return float(text) if text not in _NOTHING else None
    except ValueError:
        return None
