"""Claim: 1,000 trials x 50 epochs stay usable in SQLite, 400 in plain files: run list and search under 3 s each.

    python benchmarks/large_store.py [trials=1000] [epochs=50] [metrics=15] [pairs=3] [folder=NEW_FOLDER] [save=true]

A file store and an SQLite file are filled: the first trial as a sweep delivers it, the others as copies of its files or
rows with another id and another objective. On each, `python -m twinverify.ui` is asked through its REST API as its page
asks for the run list (100 runs, ordered by the objective), and MLflow's client for all trials of the sweep.

How to read it: CPU seconds of the process that answers, which other work on the machine lengthens far less than the
clock's; on a quiet machine they are what one waits. Median of the rounds (smallest to largest), and how many times
SQLite's.
"""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from twinverify.environment import prepare

prepare()

import psutil  # noqa: E402
from measuring import Spread, alternate, lines_up, machine, publish, ratios  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from pydantic import Field  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.settings import Settings  # noqa: E402
from twinverify.tracking.runs import SweepRuns, find_runs  # noqa: E402
from twinverify.tracking.store import EXPERIMENT, open_experiment  # noqa: E402

VALUES = {f"model.glca.setting_{number}": number / 7 for number in range(7)}
SWEEP = "0123456789abcdef"
FILES, SQLITE = "file store", "SQLite"


class Options(Settings):
    """How much to measure."""

    trials: int = Field(1000, ge=2, description="trials in the store")
    epochs: int = Field(50, ge=1, description="epochs of each")
    metrics: int = Field(15, ge=1, description="metrics of each epoch")
    pairs: int = Field(3, ge=1, description="rounds, each side once in each")
    folder: Path | None = Field(None, description="a new folder, kept; default: a temporary one")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass
class Record:
    """A trial as twinverify's journal tells it."""

    reports: list[dict[str, float]]
    reported_at: list[float]
    number: int = 0
    values: dict[str, Any] = field(default_factory=lambda: dict(VALUES))
    state: str = "completed"
    cause: str | None = None
    drawn_at: float = field(default_factory=time.time)
    ended_at: float | None = field(default_factory=time.time)


def fill(uri: str, options: Options) -> tuple[str, str]:
    """Deliver the sweep's own run and its first trial; gives the ids of the experiment and of the trial's run."""
    experiment = open_experiment(uri, EXPERIMENT)
    names = ["val/twin_eer", *(f"val/metric_{number:02d}" for number in range(1, options.metrics))]
    reports = [dict.fromkeys(names, 0.25 + 1 / (epoch + 2)) for epoch in range(options.epochs)]
    client = MlflowClient(uri)
    runs = SweepRuns(
        client,
        experiment,
        sweep_id=SWEEP,
        name="large",
        tags={"space": "glca_heads", "model_type": "dcal", "dataset": "synthetic", "dataset_size": "500"},
        description="",
        config=lambda number: "model: {}\n",
    )
    runs.deliver(Record(reports, [time.time()] * options.epochs))
    (first,) = find_runs(client, experiment, "tags.trial = '0'")
    return experiment, first.info.run_id


def copy_files(first: Path, trials: int) -> None:
    """Make the other trials of a file store."""
    for number in range(1, trials):
        name = uuid.uuid4().hex
        copy = first.with_name(name)
        shutil.copytree(first, copy)
        meta = copy / "meta.yaml"
        meta.write_text(meta.read_text().replace(first.name, name))
        (copy / "tags" / "trial").write_text(str(number))
        objective = copy / "metrics" / "val" / "twin_eer"
        objective.write_text(re.sub(r" 0\.", f" 0.{number % 10}", objective.read_text()))


def copy_rows(database: Path, first: str, trials: int) -> None:
    """Make the other trials of an SQLite file."""
    with sqlite3.connect(database) as store:
        columns = {
            table: [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
            for table in ("runs", "tags", "params", "metrics", "latest_metrics")
        }
        for number in range(1, trials):
            name = uuid.uuid4().hex
            for table, names in columns.items():
                values = ", ".join(f"'{name}'" if column == "run_uuid" else f'"{column}"' for column in names)
                store.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE run_uuid = ?", [first])
            store.execute("UPDATE tags SET value = ? WHERE run_uuid = ? AND key = 'trial'", [str(number), name])
            store.execute(
                "UPDATE latest_metrics SET value = value + ? WHERE run_uuid = ? AND key = 'val/twin_eer'",
                [number % 10 / 100, name],
            )


@contextmanager
def served(uri: str, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run our UI on a store; gives its address and its process."""
    command = [sys.executable, "-m", "twinverify.ui", f"tracking={uri}", "port=5900"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("http"):
                yield line.partition("/#")[0], psutil.Process(process.pid)
                return
        raise RuntimeError("the UI ended without a link")
    finally:
        process.terminate()
        process.wait()


def listed(address: str, server: psutil.Process, experiment: str) -> float:
    """Give the CPU seconds of the page's own request for the run list."""
    asked = {
        "experiment_ids": [experiment],
        "filter": "tags.sweep = 'large'",
        "run_view_type": "ACTIVE_ONLY",
        "max_results": 100,
        "order_by": ["metrics.`val/twin_eer` ASC"],
    }
    request = urllib.request.Request(
        f"{address}/ajax-api/2.0/mlflow/runs/search",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    before = server.cpu_times()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        runs = json.load(answer)["runs"]
    assert len(runs) == 100
    after = server.cpu_times()
    return float(after.user + after.system - before.user - before.system)


def searched(uri: str, experiment: str, trials: int) -> float:
    """Give the CPU seconds of a search for all trials of the sweep."""
    client = MlflowClient(uri)
    started = time.process_time()
    runs = find_runs(client, experiment, f"tags.sweep_id = '{SWEEP}'")
    took = time.process_time() - started
    assert len(runs) == trials + 1
    return took


def main(argv: Sequence[str]) -> int:
    options, _ = parse("large_store", Options, argv, summary=__doc__ or "", examples=["trials=300"], configurable=False)
    if options.folder is not None:
        options.folder.mkdir(parents=True)
        return _measure(options, options.folder.resolve())
    with tempfile.TemporaryDirectory() as folder:
        return _measure(options, Path(folder))


def _measure(options: Options, folder: Path) -> int:
    database = folder / "runs.db"
    uris = {FILES: (folder / "store").as_uri(), SQLITE: f"sqlite:///{database}"}
    made = {side: fill(uri, options) for side, uri in uris.items()}
    copy_files(folder / "store" / made[FILES][0] / made[FILES][1], options.trials)
    copy_rows(database, made[SQLITE][1], options.trials)
    rows = [["", FILES, SQLITE, "ratio"]]
    with served(uris[FILES], folder) as files, served(uris[SQLITE], folder) as sqlite:
        ask = {side: partial(listed, *at, made[side][0]) for side, at in ((FILES, files), (SQLITE, sqlite))}
        found = alternate(ask, options.pairs)
        rows.append(_row("run list of the UI, CPU s", found))
    search = {side: partial(searched, uri, made[side][0], options.trials) for side, uri in uris.items()}
    found = alternate(search, options.pairs)
    rows.append(_row("search of all trials, CPU s", found))
    what = f"{options.trials} trials x {options.epochs} epochs x {options.metrics} metrics, {options.pairs} rounds"
    publish("large_store", [what, machine("mlflow"), "", *lines_up(rows)], save=options.save)
    return 0


def _row(what: str, found: dict[str, list[float]]) -> list[str]:
    return [
        what,
        *(Spread.of(found[side]).show() for side in (FILES, SQLITE)),
        ratios(found[FILES], found[SQLITE]).show(".1f"),
    ]


if __name__ == "__main__":
    run(main)
