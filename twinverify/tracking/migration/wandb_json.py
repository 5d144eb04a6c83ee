"""Runs as JSON: what scripts write from the public API (`config`, `summary`, `history` of each run)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from twinverify.errors import UserError
from twinverify.tracking.migration.foreign import STEP, ForeignRun, Source, add_row, leaves, number_of

#: What the parts are called: as the API's Python objects do, and as its answers do.
_NAMES: Final = {
    "run_id": ("id", "run_id", "name_id"),
    "name": ("display_name", "displayName", "name"),
    "project": ("project",),
    "entity": ("entity",),
    "state": ("state",),
    "group": ("group", "run_group"),
    "job_type": ("job_type", "jobType"),
    "sweep": ("sweep_id", "sweep_name", "sweepName", "sweep"),
    "notes": ("notes", "description"),
    "host": ("host",),
    "commit": ("commit",),
}
_CONFIG: Final = ("config", "rawconfig")
_SUMMARY: Final = ("summary", "summary_metrics", "summaryMetrics")
_HISTORY: Final = ("history", "rows")
_STARTED: Final = ("created_at", "createdAt", "start_time", "startedAt")
_ENDED: Final = ("heartbeat_at", "heartbeatAt", "finished_at", "end_time")


def json_sources(file: Path) -> list[Source]:
    """Give the runs of a file: a list of runs, one run, `{"runs": […]}`, or a run a line (`.jsonl`).

    Raises:
        UserError: it is no JSON, or there are no runs in it.
    """
    trees = _trees(file)
    if not trees or not all(isinstance(tree, dict) and _is_run(tree) for tree in trees):
        raise UserError(
            f"{file}: no runs of Weights & Biases; wanted is a list of runs, each with name or id, and config, "
            "summary or history (a list of rows, each with _step)"
        )
    return [Source(str(_first(tree, _NAMES["name"]) or number), _reader(tree)) for number, tree in enumerate(trees)]


def _reader(tree: Mapping[str, Any]) -> Any:
    return lambda: read_tree(tree)


def read_tree(tree: Mapping[str, Any]) -> ForeignRun:
    """Give the run that a mapping tells."""
    told = {key: str(value) for key, names in _NAMES.items() if (value := _first(tree, names)) not in (None, "")}
    sweep = _first(tree, _NAMES["sweep"])
    if isinstance(sweep, Mapping):
        told["sweep"] = str(sweep.get("id") or sweep.get("name") or "")
    run = ForeignRun(**told)  # type: ignore[arg-type]
    run.config = unwrapped(_mapping(tree, _CONFIG))
    run.summary = _mapping(tree, _SUMMARY)
    run.labels = [str(label) for label in tree.get("tags") or []]
    run.started, run.ended = time_of(_first(tree, _STARTED)), time_of(_first(tree, _ENDED))
    for number, row in enumerate(_first(tree, _HISTORY) or []):
        step = number_of(row.get(STEP))
        add_row(run, row, number if step is None else int(step))
    _add_system(run, _mapping(tree, ("system_metrics", "systemMetrics")))
    return run


def time_of(told: Any) -> float | None:
    """Give a time in seconds since the epoch: told so, in milliseconds, or as ISO 8601 (without a zone: UTC)."""
    number = number_of(told)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    if not isinstance(told, str):
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _trees(file: Path) -> list[Any]:
    text = file.read_text(encoding="utf-8-sig")
    try:
        try:
            tree = json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise UserError(f"{file}: not JSON: {error}") from None
    if isinstance(tree, dict) and isinstance(tree.get("runs"), list):
        tree = tree["runs"]
    return tree if isinstance(tree, list) else [tree]


def _is_run(tree: Mapping[str, Any]) -> bool:
    named = _first(tree, (*_NAMES["name"], *_NAMES["run_id"])) is not None
    return named and any(_first(tree, names) is not None for names in (_CONFIG, _SUMMARY, _HISTORY))


def _first(tree: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((tree[name] for name in names if tree.get(name) is not None), None)


def _mapping(tree: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Give a part of a run; the API's answers have some as text."""
    part = _first(tree, names)
    if isinstance(part, str):
        try:
            part = json.loads(part)
        except json.JSONDecodeError:
            return {}
    return dict(part) if isinstance(part, Mapping) else {}


def unwrapped(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give a configuration without the `{value: …, desc: …}` around each value of `config.yaml` and the raw API."""
    return {
        key: value["value"] if isinstance(value, Mapping) and value.keys() <= {"value", "desc"} and value else value
        for key, value in config.items()
    }


def _add_system(run: ForeignRun, metrics: Mapping[str, Any]) -> None:
    """Take the last sample of the machine, which is all that the API gives: names begin with `system.` there."""
    numbers = {name: number for name, value in leaves(metrics) if (number := number_of(value)) is not None}
    add_row(run, {f"system/{name.removeprefix('system.')}": number for name, number in numbers.items()}, 0)
