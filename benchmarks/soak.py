"""Claim: a sweep that is killed again and again loses nothing, repeats nothing and leaves nothing behind.

    python benchmarks/soak.py [kills=25] [slots=1] [seed=0] [trials=…] [epochs=6] [horizon=…] [peer=true] [save=true]

The real command line, on small synthetic twins (some 0.2 s an epoch), with a fresh MLflow file store, in a temporary
folder. SIGKILL comes at seeded moments, uniform from the start of the command to `horizon` seconds after it, so that it
finds imports, Ray's start, the first epoch, the writing of checkpoints, and resuming itself. Most kills take all
processes at once, some the driver alone, some a worker. After each, the sweep is continued at once, by `resume=NAME` or
by the same command (seeded); after the last it runs to its end. Where all is done before a kill comes, the sweep is
extended by more trials.

The peer is `plain_resumed.py`: Ray Tune, OptunaSearch, ASHAScheduler, MLflowLoggerCallback, a checkpoint each epoch and
`Tuner.restore`, under the same kills in seconds, with the same training (`training.fit`), as many trials and epochs.

How to read it: each row counts cases, read from the journal (ours), the MLflow store and the folders; wanted: 0. An
epoch counts as computed again where the history in a checkpoint or the journal shows it at two speeds: a computation
that ended before a kill and one after it (the peer writes a line after each epoch instead). The epoch that runs when a
kill comes is no such case. A process is an orphan ten seconds after its driver's death. With one slot, ours is compared
event by event with a sweep of as many trials that nobody killed: values drawn, metrics (but speed and memory), and
decisions. A SIGKILL leaves the kernel's caches alive; power cuts are not tried.

Needed: Linux. Nothing that is started outlives the script.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from twinverify.environment import prepare

# The peer gets the environment that its user would have, as it was before ours is prepared.
PLAIN_ENVIRONMENT = os.environ | {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
}
prepare()

from journal_facts import events  # noqa: E402
from kills import Course, run_killed, schedule  # noqa: E402
from measuring import lines_up, machine, publish  # noqa: E402
from pydantic import Field  # noqa: E402
from soak_ours import SMALL, Ours  # noqa: E402
from soak_plain import Plain  # noqa: E402
from tally import LOST, ORPHANED, REPEATED, ROWS, Remains, count, total  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

#: A kill comes within so many times the time to the first report.
HORIZON_IN_STARTS = 2.5
#: Of so many kills of all processes, one at least finds Ray running.
SURELY_IN_RAY = 8


@dataclass(frozen=True)
class Result:
    """What a side came to."""

    rows: dict[str, list[str]]
    course: Course
    #: Ray's own folders for its servers that lie about; a clean end of a plain script leaves one as well.
    sessions: int


class Options(Settings):
    """How hard to try."""

    kills: int = Field(25, ge=0, description="SIGKILLs")
    slots: int = Field(1, ge=1, description="trials at once; 1 = compared with an uninterrupted sweep")
    seed: int = Field(0, ge=0, description="seed of the kills and of the sweep")
    trials: int | None = Field(None, ge=1, description="trials at first; default: three a kill")
    epochs: int = Field(6, ge=2, description="epochs of a full trial")
    horizon: float | None = Field(None, gt=0, description="seconds within which a kill comes; default: 2.5 starts")
    limit: float = Field(900, gt=0, description="seconds that the last start may take")
    peer: bool = Field(True, description="the plain Ray Tune script too")
    folder: Path | None = Field(None, description="new folder in which all is kept; default: a temporary one")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


def main(argv: Sequence[str]) -> int:
    options, _ = parse("soak", Options, argv, summary=__doc__ or "", examples=["kills=100"], configurable=False)
    options = options.model_copy(update={"trials": options.trials or max(4, 3 * options.kills)})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ExitStack() as at_the_end:
        # A short name: Ray keeps sockets below it, whose names may have 107 characters.
        temporary = at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="soak-"))
        folder = Path(temporary) if options.folder is None else options.folder.resolve()
        horizon = options.horizon or HORIZON_IN_STARTS * seconds_to_first_report(options, folder / "first")
        tell(f"{options.kills} kills, each within {horizon:.0f} s of a start")
        side = sweep(options, folder / "o", options.trials or 1)
        ours, equal = soak_ours(options, side, folder / "w", horizon)
        sides = {side.name: ours}
        if options.peer:
            sides[Plain.name] = soak_peer(options, folder / "p", horizon, side.trials)
        verdicts = [f"{side.name}: {checks_itself(side)}"]
        if equal is not None:
            verdicts.append(f"{side.name}: equal to the uninterrupted sweep: {'yes' if equal else 'no'}")
        what = f"{side.trials} trials of up to {options.epochs} epochs, {options.slots} at once"
        lines = [f"{options.kills} kills (seed {options.seed}), {what}", machine("ray", "mlflow", "optuna", "torch")]
    publish(f"soak_{options.slots}", [*lines, "", *_table(sides), "", *_sums(sides), *verdicts], save=options.save)
    return 1 if any(ours.rows.values()) or equal is False or not ours.course.done else 0


def seconds_to_first_report(options: Options, folder: Path) -> float:
    """Start a sweep of one trial and give the seconds to its first report."""
    side = sweep(options, folder, 1)
    started = time.time()
    run_killed(side, (), horizon=0, limit=options.limit, seed=0)
    reports = [entry["time"] for entry in side.journal() if entry["event"] == "reported"]
    if not reports:
        raise RuntimeError(f"the sweep does not run at all:\n{(folder / 'log' / '000.txt').read_text()[-3000:]}")
    return float(reports[0]) - started


def soak_ours(options: Options, side: Ours, whole: Path, horizon: float) -> tuple[Result, bool | None]:
    """Kill ours; give what it came to, and whether it equals a sweep in the folder `whole` that nobody kills."""
    course = killed(options, side, horizon)
    exact = options.slots == 1
    left_alone = sweep(options, whole, side.trials if exact else 8)
    undisturbed = run_killed(left_alone, (), horizon=0, limit=options.limit, seed=0)
    if not undisturbed.done:
        raise RuntimeError(f"a sweep that nobody kills fails: {undisturbed.failed}")
    if course.hit["tree"] >= SURELY_IN_RAY and side.temporary_elsewhere():
        raise RuntimeError(
            f"the sweep has its temporary files elsewhere than in {side.temporary}: they are not counted"
        )
    result = counted(side, side.remains(left_alone.files(exact), exact), course)
    return result, events(side.journal()) == events(left_alone.journal()) if exact else None


def soak_peer(options: Options, folder: Path, horizon: float, trials: int) -> Result:
    """Do the same to the plain script."""
    side = Plain(folder, PLAIN_ENVIRONMENT, (trials, options.epochs, options.slots, options.seed))
    side.draw_faces(SMALL)
    course = killed(options, side, horizon)
    return counted(side, side.remains(), course)


def killed(options: Options, side: Ours | Plain, horizon: float) -> Course:
    """Send a side through the kills."""
    kills = schedule(options.kills, options.seed)
    course = run_killed(side, kills, horizon=horizon, limit=options.limit, seed=options.seed)
    for words in course.failed:
        tell(f"{side.name}: a start failed: {words}")
    return course


def counted(side: Ours | Plain, remains: Remains, course: Course) -> Result:
    """Count, and tell the first few findings of each kind."""
    rows = count(remains)
    rows["processes without their driver"] += course.orphans
    for row, found in rows.items():
        for words in found[:10]:
            tell(f"{side.name}: {row}: {words}")
    return Result(rows, course, remains.sessions)


def sweep(options: Options, folder: Path, trials: int) -> Ours:
    """Set up a sweep of ours."""
    return Ours(folder, trials=trials, epochs=options.epochs, slots=options.slots, seed=options.seed)


def checks_itself(side: Ours) -> str:
    """Give what `compare NAME check=true` says of the sweep."""
    words = [sys.executable, "-m", "twinverify.compare", side.sweep.name, "check=true", "output=runs"]
    done = subprocess.run(words, env=dict(side.environment()), cwd=side.folder, capture_output=True, text=True)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return f"compare check=true: status {done.returncode}: {lines[-1] if lines else ''}"


def tell(text: str) -> None:
    print(text, file=sys.stderr)


def _table(sides: Mapping[str, Result]) -> list[str]:
    rows = [["", "", *sides]]
    for row, kind in ROWS.items():
        counts = [str(len(result.rows[row])) for result in sides.values()]
        if row == "differs from the journal":  # which the peer has not
            counts[1:] = ["-" for _ in counts[1:]]
        rows.append([row, kind, *counts])
    facts: dict[str, Callable[[Result], str]] = {
        "kills: tree, driver, worker": lambda result: _hits(result.course),
        "kills that found it training": lambda result: str(result.course.training),
        "starts that failed": lambda result: str(len(result.course.failed)),
        "came to its end": lambda result: "yes" if result.course.done else "no",
        "longest life without its driver, s": lambda result: f"{result.course.outlived:.1f}",
        "Ray's own session folders left": lambda result: str(result.sessions),
        "seconds in all": lambda result: f"{result.course.seconds:.0f}",
    }
    rows += [[name, "", *map(fact, sides.values())] for name, fact in facts.items()]
    return lines_up(rows)


def _hits(course: Course) -> str:
    return ", ".join(str(course.hit[target]) for target in ("tree", "driver", "worker"))


def _sums(sides: Mapping[str, Result]) -> list[str]:
    kinds = (LOST, REPEATED, ORPHANED)
    return [
        f"{name}: lost / repeated / orphaned: {' / '.join(str(total(result.rows, kind)) for kind in kinds)}"
        for name, result in sides.items()
    ]


if __name__ == "__main__":
    run(main)
