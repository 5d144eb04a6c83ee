"""Claim: 2,000 trials of 20 reports cost a trial no more at the end than at the beginning (1.5 times at most), 100
results a second with tracking on, under 1 GiB in the driver, and under 100 ms a suggestion at 1,000 trials.

    python benchmarks/scale.py [trials=2000] [epochs=20] [slots=2] [draws=9] [save=true]     some 15 minutes

The sweep is `nothing_sweep.py`: the real search with training that costs nothing, space `optim`, early stopping off,
reporting to an MLflow file store. Its peer is itself, a tenth of the way and at the beginning.

How to read it: the times are the journal's own. a trial: seconds between the ends of a hundred trials, divided by
them; those of the first hundred count from the first report on. to the first: the growth. results/s: reports written
to the journal. driver: the largest resident size of the command's own process till then, MiB, looked at four times a
second; Ray's servers and workers are others, and do not hold the trials. The last line tells what comes after the last
trial: results/s are then all of them, up to the prompt, which waits until MLflow has everything.

The second table is `suggestion_cost.py`: CPU milliseconds of a draw, since other processes take the clock; median
(smallest to largest) of `draws`, what is drawn anew because it was drawn before included. Ours and the first peer draw
the same values.
"""  # noqa: D205

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twinverify.environment import prepare

prepare()

import psutil  # noqa: E402
from journal_facts import read_journal  # noqa: E402
from measuring import lines_up, machine, publish  # noqa: E402
from pydantic import Field  # noqa: E402
from soak_ours import SMALL  # noqa: E402
from suggestion_cost import suggestions  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

HERE = Path(__file__).parent
#: Trials that a time is taken over.
BLOCK = 100


class Options(Settings):
    """How much to measure."""

    trials: int = Field(2000, ge=2, description="trials of the sweep")
    epochs: int = Field(20, ge=1, description="reports of each")
    slots: int = Field(2, ge=1, description="trials at once, one core each")
    draws: int = Field(9, ge=0, description="suggestions timed of each space and number of trials; 0: none")
    spaces: list[str] = Field(["full", "glca_heads", "pwca"], description="of those in search_spaces/")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass(frozen=True)
class Course:
    """How a sweep went: when the first report came, when each trial ended (s), when the command, and its size."""

    first: float
    ends: list[float]
    over: float
    sizes: list[tuple[float, float]]  # when, MiB

    def size(self, till: float) -> float:
        """Give the largest size until then."""
        return max(size for at, size in self.sizes if at <= till)


def sweep(options: Options, folder: Path) -> Course:
    """Run it, and read its journal."""
    settings = {"space": "optim", "name": "many", "config": "tiny", "scheduler": "none"}
    numbers = {"trials": options.trials, "epochs": options.epochs, "cpus": options.slots, "cpus_per_trial": 1}
    places = {"output": folder / "runs", "cache": folder / "cache", "tracking": f"file:{folder}/mlflow"}
    words = [f"{key}={value}" for key, value in (SMALL | settings | numbers | places).items()]
    log, sizes = folder / "log.txt", []
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "nothing_sweep.py"), *words], cwd=folder, stdout=out, stderr=out
        )
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            sizes.append((time.time(), driver.memory_info().rss / 2**20))
            time.sleep(0.25)
    if process.returncode:
        raise RuntimeError(f"the sweep failed:\n{log.read_text()[-3000:]}")
    reports = [
        entry for entry in read_journal(folder / "runs" / "many" / "journal.jsonl") if entry["event"] == "reported"
    ]
    ends = [entry["time"] for entry in reports if entry["then"] != "continue"]
    if (len(reports), len(ends)) != (options.trials * options.epochs, options.trials):
        raise RuntimeError(f"{len(ends)} trials and {len(reports)} reports in the journal")
    return Course(reports[0]["time"], ends, time.time(), sizes)


def table(options: Options, course: Course) -> list[str]:
    block = min(BLOCK, options.trials // 2)
    marks = [course.first, *course.ends]  # marks[n]: when n trials had ended
    tenth = max(2 * block, options.trials // 10)
    rows = [["trials", "a trial, s", "to the first", "results/s", "driver, MiB"]]
    first = (marks[block] - marks[0]) / block
    for last in dict.fromkeys([block, tenth, options.trials]):
        each = (marks[last] - marks[last - block]) / block
        size = course.size(marks[last])
        rows.append(
            [
                f"{last - block + 1:,} to {last:,}",
                f"{each:.3f}",
                f"{each / first:.2f}",
                f"{options.epochs / each:.0f}",
                f"{size:.0f}",
            ]
        )
    whole = course.over - course.first
    rows.append(
        [
            f"all, and all in MLflow, {course.over - course.ends[-1]:.1f} s after the last",
            f"{whole / options.trials:.3f}",
            f"{whole / options.trials / first:.2f}",
            f"{options.trials * options.epochs / whole:.0f}",
            f"{course.size(course.over):.0f}",
        ]
    )
    return lines_up(rows)


def main(argv: Sequence[str]) -> int:
    options, _ = parse("scale", Options, argv, summary=__doc__ or "", examples=["trials=200"], configurable=False)
    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        course = sweep(options, Path(name))
    lines = [
        f"{options.trials:,} trials of {options.epochs} reports, {options.slots} at once, training that costs nothing",
        machine("ray", "mlflow", "optuna"),
        "",
        *table(options, course),
    ]
    if options.draws:
        lines += ["", *lines_up(suggestions(options.spaces, options.draws))]
    publish("scale", lines, save=options.save)
    return 0


if __name__ == "__main__":
    run(main)
