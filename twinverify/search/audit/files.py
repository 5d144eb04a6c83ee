"""Audits the text files of a sweep's folder against its journal; the checkpoints have a file of their own."""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from twinverify.errors import UserError, counted, some
from twinverify.search.audit.config import TrialConfig
from twinverify.search.audit.difference import Difference
from twinverify.search.files import BEST_FILE, CONFIG_FILE, METRICS_FILE
from twinverify.search.past import trial_folder
from twinverify.search.planned import SPACE_FILE, SWEEP_FILE
from twinverify.search.record import Trial
from twinverify.search.stored import KnownSweep
from twinverify.yaml12 import parse_yaml

_NOTHING: Final = "no such file"


def audit_trial_files(folder: Path, trial: Trial, config: TrialConfig) -> Iterator[Difference]:
    """Give what differs in a trial's configuration and metrics.

    Args:
        folder: the trial's.
        trial: as the journal tells it.
        config: what its values give.
    """
    yield from _config(folder / CONFIG_FILE, f"{folder.name}/{CONFIG_FILE}", config, trial.number)
    what, text = f"{folder.name}/{METRICS_FILE}", _text(folder / METRICS_FILE)
    if text is None:
        yield Difference("files", "lost", what, f"epochs 1 to {trial.epoch}", _NOTHING, trial.number)
        return
    lines = text.splitlines()
    for place in range(max(len(lines), trial.epoch)):
        expected = {"epoch": place + 1, **trial.reports[place]} if place < trial.epoch else {}
        if place == len(lines):
            yield Difference("files", "lost", what, f"epoch {place + 1}", "its end", trial.number)
            return
        found = _parsed(lines[place])
        if found != expected:
            yield _line_difference(f"{what}, line {place + 1}", expected, found, trial.number)
            return  # those after it are off by one, or follow from it


def audit_orphans(folder: Path, trials: int, *, running: bool) -> Iterator[Difference]:
    """Give what is named like a trial's folder and is none; a running sweep may have a newer trial by now."""
    names = {trial_folder(folder, number).name for number in range(trials)}
    for path in sorted(folder.iterdir()):
        if path.name.isdecimal() and path.name not in names and not running:
            found = "a folder" if path.is_dir() else "a file"
            yield Difference("files", "orphaned", path.name, f"folders of {counted(trials, 'trial')} only", found)


def audit_best(folder: Path, config: TrialConfig | None) -> Iterator[Difference]:
    """Give what differs in `best.yaml`; `config` is that of the best trial, None where there is no such trial."""
    path = folder / BEST_FILE
    if config is not None:
        yield from _config(path, BEST_FILE, config, None)
    elif path.exists():
        yield Difference("files", "orphaned", BEST_FILE, "no such file while no trial has a value", "a file")


def audit_views(folder: Path, known: KnownSweep) -> Iterator[Difference]:
    """Give what differs in the files that show what the sweep was started with."""
    shown = {SWEEP_FILE: known.sweep.to_yaml(), SPACE_FILE: known.space}
    for name, expected in shown.items():
        text = _text(folder / name)
        if text is None:
            yield Difference("files", "lost", name, "what the sweep was started with", _NOTHING)
        elif text != expected and (line := _differing_line(expected, text)) is not None:
            yield Difference("files", "altered", name, *line)


def _config(path: Path, what: str, config: TrialConfig, trial: int | None) -> Iterator[Difference]:
    text = _text(path)
    if text is None:
        yield Difference("files", "lost", what, "a configuration", _NOTHING, trial)
    elif (different := config.difference(text)) is not None:
        yield Difference("files", "altered", what, *different, trial)


def _line_difference(what: str, expected: dict[str, Any], found: Any, trial: int) -> Difference:
    if not isinstance(found, dict):
        return Difference("files", "altered", what, f"epoch {expected.get('epoch')}", "no whole line", trial)
    if not expected:
        return Difference("files", "orphaned", what, "the end", f"epoch {found.get('epoch')}", trial)
    keys = [key for key in dict.fromkeys([*expected, *found]) if expected.get(key) != found.get(key)]
    told = [some([f"{key} {values.get(key)!r}" for key in keys]) for values in (expected, found)]
    return Difference("files", "altered", what, told[0], told[1], trial)


def _differing_line(expected: str, found: str) -> tuple[str, str] | None:
    """Give the first line in which two texts differ; None where they say the same in other words."""
    with suppress(UserError):
        if parse_yaml(expected, "it") == parse_yaml(found, "it"):
            return None
    pairs = zip_longest(expected.splitlines(), found.splitlines(), fillvalue="its end")
    line = next((place, *pair) for place, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return f"{line[1].strip()!r} in line {line[0]}", repr(line[2].strip())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not there, or a folder
        return None


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
