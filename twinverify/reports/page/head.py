"""What stands at the top of the page, and at its end: what was searched, what came out, how it was made."""

import hashlib
import platform
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from difflib import SequenceMatcher
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

from twinverify.config import dump_config, with_values, without_places
from twinverify.errors import counted
from twinverify.faces.load import SYNTHETIC
from twinverify.reports.page.look import MARKS
from twinverify.reports.page.told import Sweep
from twinverify.reports.words import duration
from twinverify.search.journal import FILE_NAME
from twinverify.search.record import Judged, Trial

#: What the page itself was made with.
_MADE_WITH: Final = ("twinverify", "plotly", "optuna", "numpy", "scikit-learn")


class Line(NamedTuple):
    """A line of a configuration, and whether it differs from the default's."""

    text: str
    differs: bool


class Head(NamedTuple):
    """The top of the page."""

    name: str
    verdict: str
    notes: list[str]
    facts: list[tuple[str, str]]
    best_yaml: list[Line]
    commands: list[tuple[str, str]]


def head(sweep: Sweep) -> Head:
    """Give the top of the page."""
    options = sweep.options
    facts = [
        ("space", f"{Path(options.space or sweep.space.name).stem}, {counted(len(sweep.space.keys), 'setting')}"),
        ("data", _data(sweep)),
        ("objective", f"{sweep.objective} ({sweep.better} is better)"),
        ("search", f"{options.sampler}, {_stopping(sweep)}"),
        ("trials", _counts(sweep)),
        ("began and last heard of", _dates(sweep.trials)),
    ]
    return Head(sweep.name, verdict(sweep), _notes(sweep), facts, _best_yaml(sweep), _commands(sweep))


def verdict(sweep: Sweep) -> str:
    """Say what came out, with how sure it is."""
    best, default, tied = sweep.best, sweep.default, sweep.evidence.tied
    if best is None:
        failed = sweep.in_state("failed")
        if failed and len(failed) == len(sweep.trials):
            return f"All {counted(len(failed), 'trial')} failed; the first: {sweep.cause(failed[0])}"
        return "No trial has a result yet."
    line = f"Best: trial {best.trial.number}, {_value(sweep, best)} at epoch {best.epoch}"
    if best.trial.number == 0:
        line += ": the default configuration; no trial did better."
    elif default is None:
        line += f"; the default configuration {'failed' if sweep.trials[0].state == 'failed' else 'has no result yet'}."
    else:
        line += f"; the default configuration: {_value(sweep, default)}."
    line += _gain(sweep)
    others = len(tied - {0})
    return line + (f" {counted(others, 'other trial')} cannot be told from the best." if others else "")


def _gain(sweep: Sweep) -> str:
    gain = sweep.evidence.gain
    if gain is None or gain.interval is None:
        return ""
    low, high = gain.interval
    line = f" Difference on the same families: {gain.value:+.4f} (95 % interval {low:+.3f} to {high:+.3f})"
    return line + (", which may be luck." if 0 in sweep.evidence.tied else ".")


def made(sweep: Sweep, now: datetime) -> list[tuple[str, str]]:
    """Give the end of the page: nothing of it names a machine or a person."""
    path = sweep.folder / FILE_NAME
    journal = path.read_bytes() if path.exists() else b""
    events = counted(journal.count(b"\n"), "event")
    options = sweep.options
    facts = [
        ("sweep", sweep.stored.sweep_id),
        (
            "seeds",
            f"search {options.seed}, training {sweep.stored.config.seed}, split {sweep.stored.config.split.seed}",
        ),
        ("journal", f"{events}, sha256 {hashlib.sha256(journal).hexdigest()[:16]}"),
        ("data digest", sweep.stored.data_digest),
        ("space digest", sweep.stored.space_digest),
        ("page made", f"{now:%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}"),
        ("with", ", ".join(_made_with())),
    ]
    if sweep.stored.versions:
        facts.append(("trained with", ", ".join(f"{name} {found}" for name, found in sweep.stored.versions.items())))
    return facts


def _made_with() -> Iterator[str]:
    for name in _MADE_WITH:
        with suppress(PackageNotFoundError):  # twinverify runs without being installed too
            yield f"{name} {version(name)}"


def _value(sweep: Sweep, each: Judged) -> str:
    interval = sweep.intervals.get(each.trial.number)
    bounds = f" (95 % interval {interval.low:.3f} to {interval.high:.3f})" if interval else ""
    return f"{sweep.objective} {each.value:.4f}{bounds}"


def _notes(sweep: Sweep) -> list[str]:
    missing = sweep.options.trials - sum(trial.state != "running" for trial in sweep.trials)
    if missing <= 0:
        return []
    to_end = f"{counted(missing, 'trial')} of {sweep.options.trials} {'is' if missing == 1 else 'are'} still to end"
    return [f"The sweep {'is running' if sweep.is_running else 'is not finished and does not run now'}: {to_end}."]


def _data(sweep: Sweep) -> str:
    name = SYNTHETIC if sweep.options.data == SYNTHETIC else Path(sweep.options.data).name
    counts = sweep.stored.data_counts
    if counts is None:
        return name
    return f"{name}: {counts.people} people, {counts.images} images, {counts.twin_pairs} twin pairs"


def _stopping(sweep: Sweep) -> str:
    epochs = counted(sweep.epochs, "epoch")
    if not sweep.rungs:
        return f"{epochs} a trial, none stopped early"
    *others, last = map(str, sweep.rungs)
    rungs = f"epochs {', '.join(others)} and {last}" if others else f"epoch {last}"
    return f"up to {epochs}; one in {sweep.options.reduction_factor} goes on after {rungs}"


def _counts(sweep: Sweep) -> str:
    by_state = [(len(sweep.in_state(state)), mark.name) for state, mark in MARKS.items()]
    parts = ", ".join(f"{number} {name}" for number, name in by_state if number)
    return f"{len(sweep.trials)} of {sweep.options.trials} drawn" + (f": {parts}" if parts else "")


def _dates(trials: list[Trial]) -> str:
    moments = [moment for trial in trials for moment in (trial.drawn_at, *trial.reported_at, trial.ended_at or 0.0)]
    if not moments:
        return "not yet"
    first, last = min(moment for moment in moments if moment), max(moments)
    shown = [datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") for moment in (first, last)]
    return f"{shown[0]} to {shown[1]} UTC, {duration(last - first)}"


def _best_yaml(sweep: Sweep) -> list[Line]:
    if sweep.best is None:
        return []
    base = sweep.stored.config
    config = with_values(base, sweep.best.trial.values, where="best trial")
    lines, others = (dump_config(without_places(each)).splitlines() for each in (config, base))
    matching = SequenceMatcher(None, others, lines, autojunk=False).get_matching_blocks()
    equal = {place for block in matching for place in range(block.b, block.b + block.size)}
    return [Line(line, place not in equal) for place, line in enumerate(lines)]


def _commands(sweep: Sweep) -> list[tuple[str, str]]:
    """Give the commands as they are typed in the project's folder, whatever machine the page is read on."""
    options = sweep.options
    runs = quote(sweep.folder.parent.name)
    name = quote(sweep.name)
    output = "" if runs == "tune_runs" else f" output={runs}"
    data = "" if options.data == SYNTHETIC else " data=FOLDER"
    # An address may hold a password.
    tracking = "" if options.tracking is None else " tracking=ADDRESS"
    commands = [
        ("Train it again", f"python -m twinverify.train config={runs}/{name}/best.yaml{data}"),
        ("Confirm it with fresh seeds, then on the sealed test people", f"python -m twinverify.confirm {name}{output}"),
        ("Look at the trials in MLflow", f"python -m twinverify.ui sweep={name}{tracking}"),
    ]
    again = f"python -m twinverify.tune resume={name}{output}"
    done = sum(trial.state != "running" for trial in sweep.trials) >= options.trials
    commands.append(("Search on", f"{again} trials={2 * options.trials}") if done else ("Continue the sweep", again))
    return commands if options.tracking != "off" else [each for each in commands if ".ui " not in each[1]]
