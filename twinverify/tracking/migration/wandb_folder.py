"""A run's folder as `wandb` wrote it: its `.wandb` file, and what lies beside."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from twinverify.errors import UserError
from twinverify.tracking.migration.foreign import STEP, ForeignRun, Point, Source, add_row, number_of
from twinverify.tracking.migration.wandb_json import unwrapped
from twinverify.tracking.migration.wandb_log import Damaged, records

_FOLDERS: Final = ("run-*", "offline-run-*")
_SYSTEM: Final = "system/"


def run_folders(folder: Path) -> list[Path]:
    """Give the folders of runs: `folder` itself, those in it, or those in its `wandb/`."""
    places = (folder, folder / "wandb")
    found = [path for place in places for form in _FOLDERS for path in place.glob(form) if _file_of(path)]
    return sorted(found) or ([folder] if _file_of(folder) else [])


def folder_sources(folders: Sequence[Path]) -> list[Source]:
    """Give the runs of folders: a resumed run has one folder for each time."""
    by_id: dict[str, list[Path]] = {}
    for folder in folders:
        file = _file_of(folder)
        assert file is not None
        by_id.setdefault(file.stem.removeprefix("run-"), []).append(folder)
    return [Source(run_id, lambda run_id=run_id, parts=parts: _read(run_id, parts)) for run_id, parts in by_id.items()]  # type: ignore[misc]


def check_package() -> None:
    """Refuse where the `wandb` package is missing or too old.

    Raises:
        UserError: with the command that installs it.
    """
    try:
        from wandb.proto import wandb_internal_pb2
    except ImportError as error:
        raise UserError(
            f"Weights & Biases folders are read with its own package ({error}); "
            'pip install -c constraints.txt -e ".[wandb]" installs it, or wandb==0.31.0 by itself. '
            "CSV and JSON exports need none"
        ) from None
    assert wandb_internal_pb2.Record


def _file_of(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("run-*.wandb"))), None) if folder.is_dir() else None


def _read(run_id: str, folders: Sequence[Path]) -> ForeignRun:
    run = ForeignRun(run_id, name=run_id)
    for folder in sorted(folders, key=lambda path: path.name.rpartition("run-")[2]):
        _read_part(run, folder)
    return run


def _read_part(run: ForeignRun, folder: Path) -> None:
    """Read one file; the later part of a resumed run knows better how it ended."""
    from wandb.proto.wandb_internal_pb2 import Record

    file = _file_of(folder)
    assert file is not None
    printed: list[str] = []
    run.state = "running"
    try:
        for data in records(file):
            _take(run, Record.FromString(data), printed)
    except (Damaged, ValueError) as error:  # protobuf's DecodeError is a ValueError
        run.told.append(f"{file.name}: {error}; what is before that was taken")
    if run.state == "running":
        # Without its exit, the run was killed, or is running still; in MLflow nothing goes on with it.
        run.state = "killed"
    files = folder / "files"
    run.config = run.config or unwrapped(_tree(files / "config.yaml"))
    run.summary = run.summary or _tree(files / "wandb-summary.json")
    log = files / "output.log"
    run.log = log if log.is_file() else "".join(printed) or run.log


def _tree(file: Path) -> dict[str, Any]:
    """Read what versions before 2026 wrote beside; for a file whose own records are damaged."""
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _take(run: ForeignRun, record: Any, printed: list[str]) -> None:
    kind = record.WhichOneof("record_type")
    match kind:
        case "run":
            _take_run(run, record.run)
        case "config":
            _update(run.config, record.config)
        case "summary":
            _update(run.summary, record.summary)
        case "history":
            _take_history(run, record.history)
        case "stats":
            _take_stats(run, record.stats)
        case "environment":
            run.commit = record.environment.git.commit or run.commit
        case "output_raw":
            printed.append(record.output_raw.line)
        case "exit":
            run.state = "failed" if record.exit.exit_code else "finished"
            if run.started is not None and record.exit.runtime:
                run.ended = run.started + record.exit.runtime
        case "preempting":
            run.state = "preempted"


def _take_run(run: ForeignRun, told: Any) -> None:
    run.name = told.display_name or run.name
    run.project, run.entity = told.project or run.project, told.entity or run.entity
    run.group, run.job_type, run.sweep = told.run_group, told.job_type, told.sweep_id
    run.labels, run.notes, run.host = list(told.tags), told.notes, told.host
    run.commit = told.git.commit or run.commit
    if run.started is None and told.start_time.seconds:
        run.started = told.start_time.seconds + told.start_time.nanos / 1e9
    _update(run.config, told.config)
    _update(run.summary, told.summary)


def _take_history(run: ForeignRun, history: Any) -> None:
    row: dict[str, Any] = {}
    for item in history.item:
        _put(row, _path(item), _value(item))
    step = number_of(row.get(STEP))
    add_row(run, row, int(step) if step is not None else history.step.num)


def _take_stats(run: ForeignRun, stats: Any) -> None:
    """Take a sample of the machine; the steps of the samples are their numbers."""
    at = stats.timestamp.seconds + stats.timestamp.nanos / 1e9
    for item in stats.item:
        value = number_of(json.loads(item.value_json))
        if value is not None:
            name = _SYSTEM + item.key
            run.points.append(Point(name, run.samples[name], at, value))
            run.samples[name] += 1


def _update(tree: dict[str, Any], told: Any) -> None:
    for item in told.update:
        _put(tree, _path(item), _value(item))
    for item in told.remove:
        *path, last = _path(item)
        node = tree
        for part in path:
            node = node.get(part, {})
        node.pop(last, None)


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *above, last = path
    for part in above:
        inner = tree.get(part)
        tree[part] = tree = inner if isinstance(inner, dict) else {}
    tree[last] = value


def _path(item: Any) -> list[str]:
    return list(item.nested_key) or [item.key]


def _value(item: Any) -> Any:
    """Give an item's value: JSON in all versions, or a field of its own in those of 2026."""
    if item.value_json:
        return json.loads(item.value_json)
    for kind in ("boolean", "integer", "number", "text"):
        if kind in item.DESCRIPTOR.fields_by_name and item.HasField(kind):
            return getattr(item, kind)
    if "json" in item.DESCRIPTOR.fields_by_name and item.HasField("json"):
        return json.loads(item.json)
    return None
