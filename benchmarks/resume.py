"""Claim: resuming a sweep of 500 finished trials adds under 10 s to a start; the journal costs under 2 ms a report.

    python benchmarks/resume.py [trials=500] [reports=20] [pairs=3] [save=true]

First a finished sweep is made, by the real search without training (`nothing_sweep.py`, space `optim`, early stopping
off), with its trials in an MLflow file store. Then two things are measured on it.

A start: `python -m twinverify.tune resume=NAME trials=N+1` against a fresh sweep of the same settings, in alternating
rounds, in seconds from the command to the first draw (the default for the fresh one; for the other one draw by TPE from
all trials before it), and to the first report of the training that follows. Both read the same image cache. What is
added is the difference, round by round; wanted under 10 s. After each round the processes are killed, and sweep and
store put back as they were.

A report: `SweepState.report` of 15 metrics in that sweep, which returns when journal line and decision are on the disk
and study and rungs know them; wanted under 2 ms. Its peers are Optuna's own durable storages holding as many trials,
`trial.report` of one value: journal file (appended and synced too) and SQLite. Ray's experiment snapshot is no peer: it
is written every 10 s at best, so that the last 10 s of reports are in no file. The same bytes, only appended and
synced, tell what the disk takes of it.

How to read it: median of the rounds (smallest to largest); the ratio is taken round by round, above 1: ours is faster.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from twinverify.environment import prepare

prepare()

import psutil  # noqa: E402
from journal_facts import Entry, read_journal  # noqa: E402
from measuring import Spread, alternate, lines_up, machine, publish, ratios  # noqa: E402
from processes import Command, end_all  # noqa: E402
from pydantic import Field  # noqa: E402
from report_cost import disk, journal_file, optunas, ours, sqlite  # noqa: E402
from soak_ours import SMALL, short_folder  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

HERE = Path(__file__).parent
TEMPORARY = short_folder()
FRESH, RESUMED = "a fresh sweep", "resume=, all trials finished"
OURS, JOURNAL_FILE, SQLITE, DISK = "twinverify", "Optuna, journal file", "Optuna, SQLite", "the bytes alone, synced"


class Options(Settings):
    """How much to measure."""

    trials: int = Field(500, ge=1, description="finished trials")
    reports: int = Field(20, ge=1, description="reports of a trial")
    pairs: int = Field(3, ge=1, description="rounds, each side once in each")
    folder: Path | None = Field(None, description="where to write, on the disk that is meant; default: a temporary one")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


def main(argv: Sequence[str]) -> int:
    options, _ = parse("resume", Options, argv, summary=__doc__ or "", examples=["pairs=5"], configurable=False)
    with tempfile.TemporaryDirectory(prefix="resume-", dir=options.folder) as name:
        folder = Path(name)
        make_sweep(options, folder)
        sections = [_starts(options, folder), _reports(options, folder)]
    what = f"{options.trials} finished trials of {options.reports} reports, {options.pairs} rounds"
    lines = [f"{what}, {_disk(name)}", machine("ray", "mlflow", "optuna", "torch")]
    publish("resume", [*lines, *(line for section in sections for line in ["", *section])], save=options.save)
    return 0


def words(options: Options, folder: Path, name: str, trials: int) -> list[str]:
    """Give the settings of a sweep."""
    settings = SMALL | {"space": "optim", "name": name, "config": "tiny", "trials": trials, "epochs": options.reports}
    settings |= {"scheduler": "none", "concurrency": 1, "cpus_per_trial": 1, "output": folder / "runs"}
    return [f"{key}={value}" for key, value in (settings | {"tracking": f"file:{folder}/mlflow"}).items()]


def make_sweep(options: Options, folder: Path) -> None:
    """Make the finished sweep, and a copy of all to put back."""
    started = time.monotonic()
    command = [sys.executable, str(HERE / "nothing_sweep.py"), *words(options, folder, "long", options.trials)]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"the sweep cannot be made:\n{done.stdout[-3000:]}")
    shutil.copytree(folder / "runs", folder / "runs.kept")
    shutil.copytree(folder / "mlflow", folder / "mlflow.kept")
    print(f"{options.trials} trials made in {time.monotonic() - started:.0f} s", file=sys.stderr)


def put_back(folder: Path) -> None:
    for name in ("runs", "mlflow"):
        shutil.rmtree(folder / name)
        shutil.copytree(folder / f"{name}.kept", folder / name)


def start(command: Sequence[str], folder: Path, sweep: str, trial: int) -> tuple[float, float]:
    """Start a sweep; give the seconds to the draw of `trial` and to its first report, and put all back."""

    def told(entry: Entry) -> bool:
        return entry.get("trial") == trial and entry["event"] in ("drawn", "reported")

    # What a kill leaves there goes with it.
    environment = os.environ | {"TMPDIR": str(TEMPORARY)}
    journal, began = folder / "runs" / sweep / "journal.jsonl", time.time()
    process = Command([sys.executable, "-m", "twinverify.tune", *command], environment, folder, folder / "log.txt")
    try:
        while len(entries := [entry for entry in read_journal(journal) if told(entry)]) < 2:
            if process.status is not None:
                raise RuntimeError(f"the sweep ended before its first report: {process.last_words()}")
            # Seldom, and no more than its end: reading a long journal takes time from who writes it.
            time.sleep(0.25)
        process.kill("tree", random.Random(0))
    finally:
        end_all()
    put_back(folder)
    return entries[0]["time"] - began, entries[1]["time"] - began


def _starts(options: Options, folder: Path) -> list[str]:
    more = options.trials + 1
    commands = {
        FRESH: (words(options, folder, "fresh", more), "fresh", 0),
        RESUMED: (["resume=long", f"output={folder}/runs", f"trials={more}"], "long", options.trials),
    }
    reported: dict[str, list[float]] = {side: [] for side in commands}

    def once(side: str) -> float:
        command, sweep, trial = commands[side]
        drawn, first = start(command, folder, sweep, trial)
        print(f"{side}: first draw {drawn:.2f} s, first report {first:.2f} s", file=sys.stderr)
        reported[side].append(first)
        return drawn

    drawn = alternate({side: partial(once, side) for side in commands}, options.pairs)
    rows = [["a start", "first draw, s", "added, s", "first report, s", "added, s"]]
    for side in commands:
        added = [
            "" if side == FRESH else Spread.of([a - b for a, b in zip(of[side], of[FRESH], strict=True)]).show(".1f")
            for of in (drawn, reported)
        ]
        rows.append(
            [side, Spread.of(drawn[side]).show(".1f"), added[0], Spread.of(reported[side]).show(".1f"), added[1]]
        )
    return lines_up(rows)


def _reports(options: Options, folder: Path) -> list[str]:
    sides: dict[str, Callable[[], float]] = {
        OURS: lambda: ours(options, folder),
        JOURNAL_FILE: lambda: optunas(options, folder, journal_file),
        SQLITE: lambda: optunas(options, folder, sqlite),
        DISK: lambda: disk(options, folder),
    }
    found = alternate(sides, options.pairs)
    rows = [["a report", "ms", "times ours"]]
    rows += [[side, Spread.of(found[side]).show(), ratios(found[side], found[OURS]).show(".1f")] for side in sides]
    return lines_up(rows)


def _disk(folder: str) -> str:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.startswith(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "unknown file system"


if __name__ == "__main__":
    run(main)
