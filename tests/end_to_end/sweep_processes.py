"""What a sweep's processes do and leave behind, seen from outside."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from command_line import Store

from twinverify.search import orphans
from twinverify.search.ray_home import _place, _prefix
from twinverify.training.names import LOCK

#: What no two runs have in common.
NOT_REPEATABLE = ("train/images_per_second", "system/")


def events(folder: Path) -> list[tuple[Any, ...]]:
    """Give what the journal tells of trials, but for clock and speed."""
    path = folder / "journal.jsonl"
    told: list[tuple[Any, ...]] = []
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        if entry["event"] == "planned":
            continue
        metrics = {key: value for key, value in entry.get("metrics", {}).items() if not key.startswith(NOT_REPEATABLE)}
        told.append(
            (entry["event"], entry["trial"], entry.get("epoch"), entry.get("then"), entry.get("values"), metrics)
        )
    return told


def of_trial(folder: Path, number: int) -> list[tuple[Any, ...]]:
    """Give the events of one trial."""
    return [event for event in events(folder) if event[1] == number]


def worker_of(folder: Path, number: int) -> psutil.Process | None:
    """Give the process that trains a trial now."""
    with suppress(OSError, psutil.Error):
        found = re.match(r"process (\d+) ", (folder / f"{number:05d}" / LOCK).read_text())
        if found:
            return psutil.Process(int(found[1]))
    return None


def family_of(pid: int) -> list[psutil.Process]:
    """Give all that a process started."""
    return list(psutil.Process(pid).children(recursive=True))


def server(family: list[psutil.Process], name: str) -> psutil.Process:
    """Give one of Ray's servers."""
    (found,) = [each for each in family if each.name() == name]
    return found


def left_behind(folder: Path) -> list[str]:
    """Give the processes and folders of a sweep's Ray that are there."""
    prefix = _prefix(folder)
    processes = [f"{each.pid} {each.name()}" for each in orphans.marked(prefix)]
    return processes + [str(path) for path in _place().glob(f"{prefix}*")]


def parent_status(store: Store) -> str:
    """Give the status of a sweep's parent run."""
    (parent,) = [run for run in store.runs() if "trial" not in run.data.tags]
    return str(parent.info.status)
