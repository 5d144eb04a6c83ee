"""What a sweep's journal tells, read without twinverify."""

import json
from pathlib import Path
from typing import Any

SPEED = "train/images_per_second"
#: What is another number each time that it is computed.
NOT_REPEATABLE = (SPEED, "system/")
Entry = dict[str, Any]


def read_journal(path: Path) -> list[Entry]:
    """Give the entries; none where there is no journal. A last line that a kill cut off is passed over."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def events(journal: list[Entry]) -> list[tuple[Any, ...]]:
    """Give what happened in the sweep, in order, but for clock, speed and memory, and for how it was planned."""
    return [
        (
            entry["event"],
            entry["trial"],
            entry.get("values"),
            entry.get("epoch"),
            {key: value for key, value in entry.get("metrics", {}).items() if not key.startswith(NOT_REPEATABLE)},
            entry.get("then"),
            entry.get("cause"),
        )
        for entry in journal
        if entry["event"] in ("drawn", "reported", "failed")
    ]


def trials_of(journal: list[Entry], differs: list[str]) -> dict[int, Entry]:
    """Give the trials (values, reports, state); what the journal tells twice or out of order goes to `differs`."""
    trials: dict[int, Entry] = {}
    for entry in journal:
        event, number = entry["event"], entry.get("trial", -1)
        if event == "drawn":
            if number != len(trials):
                differs.append(f"trial {number} drawn after {len(trials)} trials")
            trials[number] = {"values": entry["values"], "reports": [], "state": "running"}
        elif event == "reported":
            trial = trials[number]
            before, state = len(trial["reports"]), trial["state"]
            if entry["epoch"] != before + 1 or state != "running":
                differs.append(f"trial {number}: epoch {entry['epoch']} after {before}, {state}")
            trial["reports"].append(entry["metrics"])
            trial["state"] = "running" if entry["then"] == "continue" else entry["then"]
        elif event == "failed":
            trials[number]["state"] = "failed"
    return trials
