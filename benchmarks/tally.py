"""What was lost, repeated and orphaned on the way: counted the same way for every side, from what lies on the disk."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from file_store import StoredRun

LOST, REPEATED, ORPHANED = "lost", "repeated", "orphaned"


@dataclass
class Remains:
    """What a side left on the disk, by trial number."""

    #: Trials that the sweep was asked for.
    asked: int
    #: Those that came to an end: completed, stopped early, or failed for a reason of their own.
    ended: set[int] = field(default_factory=set)
    #: The last epoch that a trial reached, as far as anything tells.
    reached: dict[int, int] = field(default_factory=dict)
    runs: dict[int, list[StoredRun]] = field(default_factory=dict)
    #: Each time that a (trial, epoch) was computed to its end, by a number that no two computations share.
    computed: dict[tuple[int, int], set[float]] = field(default_factory=dict)
    #: Ray's own folders of files for its servers; a clean end leaves one too, so they are counted as no orphans.
    sessions: int = 0
    #: Further findings, in words, by the row of the table that they belong to.
    more: dict[str, list[str]] = field(default_factory=dict)


#: The rows of the table: what is counted, and what it is a case of.
ROWS = {
    "trials that never ended": LOST,
    "trials without a run": LOST,
    "epochs that no run has": LOST,
    "differs from the journal": LOST,
    "runs beyond one a trial": REPEATED,
    "epochs that the runs hold twice": REPEATED,
    "epochs computed again": REPEATED,
    "runs left open": ORPHANED,
    "folders of no trial": ORPHANED,
    "temporary files": ORPHANED,
    "processes without their driver": ORPHANED,
}


def count(remains: Remains) -> dict[str, list[str]]:
    """Give the findings of every row, each in words."""
    rows: dict[str, list[str]] = {row: list(remains.more.get(row, [])) for row in ROWS}
    numbers = range(remains.asked)
    rows["trials that never ended"] += [f"trial {number}" for number in numbers if number not in remains.ended]
    rows["trials without a run"] += [f"trial {number}" for number in numbers if not remains.runs.get(number)]
    for number, runs in sorted(remains.runs.items()):
        rows["runs beyond one a trial"] += [f"trial {number}: run {run.id}" for run in runs[1:]]
        rows["runs left open"] += [f"trial {number}: run {run.id}" for run in runs if run.status == "RUNNING"]
        rows["epochs that the runs hold twice"] += [f"trial {number}, epoch {epoch}" for epoch in _twice(runs)]
        held = set().union(*(run.steps() for run in runs))
        rows["epochs that no run has"] += [
            f"trial {number}, epoch {epoch}"
            for epoch in range(1, remains.reached.get(number, 0) + 1)
            if epoch not in held
        ]
    rows["epochs computed again"] += [
        f"trial {number}, epoch {epoch}: {len(times)} times"
        for (number, epoch), times in sorted(remains.computed.items())
        for _ in range(len(times) - 1)
    ]
    return rows


def total(rows: dict[str, list[str]], kind: str) -> int:
    """Give how many findings are cases of `kind`."""
    return sum(len(rows[row]) for row, of in ROWS.items() if of == kind)


def _twice(runs: list[StoredRun]) -> Iterator[int]:
    """Give each epoch that some metric has more than once, in one run or in several of the trial."""
    seen: dict[int, int] = {}
    for key in {key for run in runs for key in run.metrics}:
        steps = Counter(step for run in runs for step, _ in run.metrics.get(key, []))
        for step, times in steps.items():
            seen[step] = max(seen.get(step, 0), times)
    return iter(sorted(step for step, times in seen.items() if times > 1))
