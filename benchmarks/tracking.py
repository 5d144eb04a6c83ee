"""Claim: tracking a report costs a fraction of what Ray's own MLflow callback takes for it.

    python benchmarks/tracking.py [reports=100] [metrics=15] [pairs=5] [save=true]

Both sides write one trial of `reports` reports into a file store in a temporary folder, in this process: ours by
`SweepRuns.deliver`, as the sweep's callback calls it; Ray's `MLflowLoggerCallback` by its own three methods. Ray's gets
the results twice: with the metrics only (kind), and as Tune hands them out, its bookkeeping beside them (what happens).

How to read it: milliseconds of tracking a report, median of the pairs (smallest to largest); the ratio is taken pair by
pair. Above 1: ours is faster. The last columns count, for one report, MLflow client calls, numbers written, and files
opened or folders listed; they are the same on every machine.

Needed for the peer to run at all: MLFLOW_ALLOW_FILE_STORE=true (set here for both).
"""

import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twinverify.environment import prepare

prepare()

import mlflow  # noqa: E402
from measuring import Spread, alternate, lines_up, machine, publish, ratios  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from pydantic import Field  # noqa: E402
from ray.air.integrations.mlflow import MLflowLoggerCallback  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.settings import Settings  # noqa: E402
from twinverify.tracking.runs import SweepRuns  # noqa: E402
from twinverify.tracking.store import open_experiment  # noqa: E402

VALUES = {"model.glca.heads": 3, "model.glca.local_ratio": 0.15, "model.glca.blocks": 1, "train.lr": 1e-3}
OURS, KIND, TUNE = "twinverify", "Ray's callback, metrics only", "Ray's callback, as Tune calls it"


class Options(Settings):
    """How much to measure."""

    reports: int = Field(100, ge=1, description="reports of the trial")
    metrics: int = Field(15, ge=1, description="metrics of a report")
    pairs: int = Field(5, ge=1, description="rounds, each side once in each")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass
class Record:
    """A trial as twinverify's journal tells it."""

    number: int = 0
    values: dict[str, Any] = field(default_factory=lambda: dict(VALUES))
    state: str = "running"
    cause: str | None = None
    drawn_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    reports: list[dict[str, float]] = field(default_factory=list)
    reported_at: list[float] = field(default_factory=list)


class FakeTrial:
    """The little of a Ray trial that its callback looks at."""

    config = VALUES

    def __str__(self) -> str:
        return "train_05834_00000"


def ours(store: Path, reports: Sequence[dict[str, float]], meter: "Meter") -> None:
    """Track one trial as the sweep's callback does."""
    uri = store.as_uri()
    runs = SweepRuns(
        MlflowClient(uri),
        open_experiment(uri, "ours"),
        sweep_id="0",
        name="sweep",
        tags={},
        description="",
        config=lambda number: "model: {}\n",
    )
    record = Record()
    runs.deliver(record)
    for metrics in reports:
        record.reports.append(metrics)
        record.reported_at.append(time.time())
        with meter():
            runs.deliver(record)
    record.state, record.ended_at = "completed", time.time()
    runs.deliver(record)


def rays(store: Path, results: Sequence[dict[str, Any]], meter: "Meter") -> None:
    """Track one trial as Tune has Ray's callback do."""
    callback, trial = MLflowLoggerCallback(tracking_uri=store.as_uri(), experiment_name="rays"), FakeTrial()
    callback.setup()
    callback.log_trial_start(trial)
    for iteration, result in enumerate(results, 1):
        with meter():
            callback.log_trial_result(iteration, trial, result)
    callback.log_trial_end(trial)


Meter = Callable[[], Any]  # gives a context manager that measures what happens inside


class Stopwatch:
    """Adds up the seconds inside."""

    seconds = 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Measure one report."""
        started = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - started


class Counter:
    """Counts client calls and the numbers in them, and files opened and folders listed."""

    on = False
    calls = files = numbers = 0

    def __init__(self) -> None:
        # The hook cannot be taken back; it does nothing while `on` is false.
        sys.addaudithook(self._audit)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Count one report."""
        spied = {name: self._spy(name) for name in ("get_run", "log_metric", "log_batch", "log_param")}
        with patch.multiple(MlflowClient, **spied):
            self.on = True
            yield
            self.on = False

    def _audit(self, event: str, _arguments: Any) -> None:
        if self.on and event in ("open", "os.listdir", "os.scandir"):
            self.files += 1

    def _spy(self, name: str) -> Any:
        real = getattr(MlflowClient, name)

        def counted(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if name == "log_metric":
                self.numbers += 1
            if name == "log_batch":
                self.numbers += len(kwargs["metrics"] if "metrics" in kwargs else args[1])
            return real(client, *args, **kwargs)

        return counted


def made_reports(options: Options) -> list[dict[str, float]]:
    names = [f"val/metric_{number:02d}" for number in range(options.metrics)]
    return [dict.fromkeys(names, 1 / (epoch + 2)) for epoch in range(options.reports)]


def as_tune(reports: Sequence[dict[str, float]], bookkeeping: bool) -> list[dict[str, Any]]:
    """Give the reports as results of Tune: step number, and what Tune 2.60 adds by itself."""
    extra = {
        "timestamp": 1_790_000_000, "checkpoint_dir_name": None, "done": False, "trial_id": "05834_00000",
        "date": "2026-11-23_14-51-07", "time_this_iter_s": 1.0, "time_total_s": 1.0, "pid": 4711, "hostname": "here",
        "node_ip": "127.0.0.1", "config": VALUES, "time_since_restore": 1.0, "iterations_since_restore": 1,
    }  # fmt: skip
    return [
        report | {"training_iteration": epoch} | (extra if bookkeeping else {})
        for epoch, report in enumerate(reports, 1)
    ]


def main(argv: Sequence[str]) -> int:
    options, _ = parse(
        "tracking", Options, argv, summary=__doc__ or "", examples=["pairs=7 save=true"], configurable=False
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    reports = made_reports(options)
    sides: dict[str, Callable[[Path, Meter], None]] = {
        OURS: lambda store, meter: ours(store, reports, meter),
        KIND: lambda store, meter: rays(store, as_tune(reports, False), meter),
        TUNE: lambda store, meter: rays(store, as_tune(reports, True), meter),
    }
    for side in sides.values():  # the first use imports and fills caches
        _in_a_new_store(side, Stopwatch())
    found = alternate({name: lambda s=side: _milliseconds(s, options) for name, side in sides.items()}, options.pairs)
    rows = [["tracking a report", "ms", "times ours", "client calls", "numbers", "files opened or listed"]]
    for name, side in sides.items():
        counter = Counter()
        _in_a_new_store(side, counter)
        counts = [f"{count / options.reports:.0f}" for count in (counter.calls, counter.numbers, counter.files)]
        rows.append([name, Spread.of(found[name]).show(), ratios(found[name], found[OURS]).show(".1f"), *counts])
    what = f"{options.reports} reports of {options.metrics} metrics, file store, {options.pairs} rounds"
    publish("tracking", [what, machine("mlflow", "ray"), "", *lines_up(rows)], save=options.save)
    return 0


def _milliseconds(side: Callable[[Path, Meter], None], options: Options) -> float:
    stopwatch = Stopwatch()
    _in_a_new_store(side, stopwatch)
    return 1000 * stopwatch.seconds / options.reports


def _in_a_new_store(side: Callable[[Path, Meter], None], meter: Meter) -> None:
    before = mlflow.get_tracking_uri()
    with tempfile.TemporaryDirectory() as folder:
        side(Path(folder), meter)
    mlflow.set_tracking_uri(before)  # Ray's callback sets it for the whole process


if __name__ == "__main__":
    run(main)
