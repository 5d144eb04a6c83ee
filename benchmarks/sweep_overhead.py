"""Claim: a sweep costs a fraction of a second a trial beside the training, and its first result comes no later.

    python benchmarks/sweep_overhead.py what=nothing [trials=40] [epochs=10] [slots=2] [pairs=3] [save=true]
    python benchmarks/sweep_overhead.py what=real    [trials=2] [epochs=2] [slots=2] [pairs=3] [save=true]

The peer is `plain_tune.py`: Ray Tune, OptunaSearch, ASHAScheduler and MLflowLoggerCallback as their documentation has
one write them; once as it stands, once with `reuse_actors=True`. Both sides run as commands of their own, with the same
configurations to choose from, the same number of slots, reporting to an MLflow file store. `what=real` trains the
preset `tiny` on synthetic twins by twinverify's own `fit` on all sides, and looks at the first result; `what=nothing`
replaces training by made-up numbers, so that what is left is overhead.

How to read it: all times come from the MLflow stores that the sides wrote, so nothing is built in to measure.
first result: seconds from the command to the first report. a trial: seconds from the first report to the last trial's
end, divided by the trials; a report: the same divided by the reports, since early stopping spares each side another
number of them. whole command: seconds until the prompt is back. Median of the rounds (smallest to largest);
the ratio is taken round by round, above 1: ours is faster. Images are drawn and decoded before, for all sides.

Needed for the peer to run at all: MLFLOW_ALLOW_FILE_STORE=true.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from twinverify.environment import prepare

# The peer gets the environment that its user would have, as it was before ours is prepared.
PLAIN_ENVIRONMENT = os.environ | {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
prepare()

from measuring import Spread, alternate, lines_up, machine, publish, ratios  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402
from pydantic import Field  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.config import load_config  # noqa: E402
from twinverify.faces.load import load_data  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

HERE = Path(__file__).parent
OBJECTIVE = "val/twin_eer"
_OF_TRIALS = {"trial", "trial_name"}
OURS, PLAIN, REUSED = "twinverify.tune", "plain script", "plain script, reuse_actors=True"


class Options(Settings):
    """How much to measure."""

    what: Literal["nothing", "real"] = Field("nothing", description="what a trial trains")
    trials: int | None = Field(None, ge=1, description="trials of a sweep; default: 40 of nothing, 2 real ones")
    epochs: int | None = Field(None, ge=1, description="epochs of a full trial; default: 10 of nothing, 2 real ones")
    slots: int = Field(2, ge=1, description="trials at once, one core each")
    pairs: int = Field(3, ge=1, description="rounds, each side once in each")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass(frozen=True)
class Course:
    """How a sweep went, in seconds; a trial, a report: from the first report to the last end, by their number."""

    first: float
    trial: float
    report: float
    whole: float
    reports: int


def ours(options: Options, folder: Path) -> list[str]:
    """Give the command of our side."""
    command = ["-m", "twinverify.tune"] if options.what == "real" else [str(HERE / "nothing_sweep.py")]
    settings = {
        "space": HERE / "same_cost.yaml",
        "name": "ours",
        "config": "tiny",
        "trials": options.trials,
        "epochs": options.epochs,
        "cpus": options.slots,
        "cpus_per_trial": 1,
        # As many epochs as the peers, who spare nobody.
        "spare": 0,
        "output": folder / "tune_runs",
        "cache": folder / "cache",
        "tracking": f"file:{folder}/mlflow",
        "experiment": "ours",
    }
    return [sys.executable, *command, *(f"{key}={value}" for key, value in settings.items())]


def plain(options: Options, folder: Path, *, reuse: bool) -> list[str]:
    """Give the command of the peer."""
    settings = [folder, options.what, options.trials, options.epochs, options.slots, str(reuse).lower()]
    return [sys.executable, str(HERE / "plain_tune.py"), *map(str, settings)]


def measure(side: str, options: Options, cache: Path) -> Course:
    """Run a side in a folder of its own, and read its course from its MLflow store."""
    started = time.time()
    with ran(side, options, cache) as folder:
        return course(folder, started, time.time() - started, options)


@contextmanager
def ran(side: str, options: Options, cache: Path) -> Iterator[Path]:
    """Run a side to its end in a folder of its own, which goes at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="sweep-") as name:
        folder = Path(name)
        (folder / "cache").symlink_to(cache)
        command = ours(options, folder) if side == OURS else plain(options, folder, reuse=side == REUSED)
        environment = dict(os.environ) if side == OURS else PLAIN_ENVIRONMENT
        done = subprocess.run(
            command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{side} failed:\n{done.stdout[-3000:]}")
        yield folder


def trial_runs(folder: Path, trials: int | None) -> tuple[MlflowClient, list[Run]]:
    """Give the runs of the trials in the store below `folder`; check that it holds every one."""
    client = MlflowClient(f"file:{folder}/mlflow")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    # Our parent run is no trial.
    runs = [run for run in client.search_runs(experiments, max_results=5000) if _OF_TRIALS & run.data.tags.keys()]
    if len(runs) != trials:
        raise RuntimeError(f"{len(runs)} trials in the store instead of {trials}")
    return client, runs


def course(folder: Path, started: float, whole: float, options: Options) -> Course:
    """Read from the store when the first report came and the last trial ended."""
    client, runs = trial_runs(folder, options.trials)
    reports = [metric.timestamp for run in runs for metric in client.get_metric_history(run.info.run_id, OBJECTIVE)]
    first, end = min(reports) / 1000, max(run.info.end_time for run in runs) / 1000
    return Course(first - started, (end - first) / len(runs), (end - first) / len(reports), whole, len(reports))


def main(argv: Sequence[str]) -> int:
    options, _ = parse(
        "sweep_overhead", Options, argv, summary=__doc__ or "", examples=["what=real"], configurable=False
    )
    small = {"trials": 40, "epochs": 10} if options.what == "nothing" else {"trials": 2, "epochs": 2}
    options = Options(**(small | options.model_dump(exclude_none=True)))
    courses: dict[str, list[Course]] = {OURS: [], PLAIN: [], REUSED: []}
    with tempfile.TemporaryDirectory(prefix="faces-") as cache:
        load_data("synthetic", load_config("tiny"), Path(cache))

        def once(side: str) -> float:
            courses[side].append(measure(side, options, Path(cache)))
            print(f"{side}: {courses[side][-1]}", file=sys.stderr)
            return courses[side][-1].whole

        alternate({side: partial(once, side) for side in courses}, options.pairs)
    publish(f"sweep_overhead_{options.what}", _table(options, courses), save=options.save)
    return 0


def _table(options: Options, courses: dict[str, list[Course]]) -> list[str]:
    head = [
        "",
        "first result, s",
        "to ours",
        "a trial, s",
        "to ours",
        "a report, s",
        "to ours",
        "whole command, s",
        "to ours",
        "reports",
    ]
    rows = [head]
    for side, found in courses.items():
        cells = []
        for name, form in (("first", ".1f"), ("trial", ".3f"), ("report", ".4f"), ("whole", ".1f")):
            values = [getattr(course, name) for course in found]
            cells += [
                Spread.of(values).show(form),
                ratios(values, [getattr(course, name) for course in courses[OURS]]).show(".1f"),
            ]
        rows.append([side, *cells, f"{Spread.of([course.reports for course in found]).middle:.0f}"])
    what = "synthetic training (preset tiny)" if options.what == "real" else "training that costs nothing"
    title = f"{options.trials} trials of up to {options.epochs} reports, {options.slots} at once, {what}"
    return [f"{title}, {options.pairs} rounds", machine("ray", "mlflow", "optuna", "torch"), "", *lines_up(rows)]


if __name__ == "__main__":
    run(main)
