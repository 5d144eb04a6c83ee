"""Audits which MLflow runs a sweep has: one parent that tells how it ended, and below it one run a trial."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from twinverify.errors import counted, some
from twinverify.search.audit.difference import Difference, Kind
from twinverify.search.audit.run import READABLE, difference
from twinverify.search.audit.store import StoredRuns
from twinverify.search.record import Trial
from twinverify.search.state import SweepState

if TYPE_CHECKING:
    from mlflow.entities import Run

_PARENT: Final = "mlflow.parentRunId"


def pair_runs(
    stored: StoredRuns, state: SweepState, compared: Sequence[Trial], *, running: bool
) -> "tuple[dict[int, Run], list[Difference]]":
    """Give the run of each trial that has just one, and what differs in which runs there are.

    Args:
        stored: the runs.
        state: the sweep as its journal tells it.
        compared: the trials that must have a run.
        running: whether the sweep is running: runs of newer trials may have come meanwhile.
    """
    if not stored.runs and not stored.unreadable and state.trials:
        expected = f"a parent and {counted(len(state.trials), 'run')} of trials"
        return {}, [difference("lost", "the sweep's runs", expected, f"none in {stored.place}")]
    differences = list(_spoilt(stored, state))
    by_trial: dict[str | None, list[Run]] = {}
    for run in stored.runs:
        by_trial.setdefault(run.data.tags.get("trial"), []).append(run)
    parents = by_trial.pop(None, [])
    if state.trials and len(parents) != 1:
        differences.append(_count("the parent run", parents, None))
    pairs = {}
    spoilt = {run.trial for run in stored.unreadable}
    for trial in compared:
        found = by_trial.pop(str(trial.number), [])
        if len(found) == 1:
            pairs[trial.number] = found[0]
        elif str(trial.number) not in spoilt:
            differences.append(_count(f"trial {trial.number}, its run", found, trial.number))
    known = {str(trial.number) for trial in state.trials}
    for tag, runs in by_trial.items():
        if tag not in known and not running:
            expected = f"runs of {counted(len(known), 'trial')} only"
            differences += [difference("orphaned", f"run {run.info.run_id}", expected, f"trial {tag}") for run in runs]
    return pairs, differences


def audit_parent(state: SweepState, stored: StoredRuns, trials: int) -> Iterator[Difference]:
    """Give what differs in the parent run of a sweep that is not running and was to have so many trials."""
    parents = [run for run in stored.runs if "trial" not in run.data.tags]
    if len(parents) != 1:
        return
    (parent,), best = parents, state.best()
    # Killed before another was drawn, or out of budget: nothing tells the two apart.
    open_ones = ("RUNNING", "KILLED") if state.running or len(state.trials) < trials else ()
    ended = () if state.running else ("FAILED" if best is None else "FINISHED",)
    status = parent.info.status
    if status not in (*open_ones, *ended):
        yield difference("altered", "the parent run's status", " or ".join((*open_ones, *ended)), status)
    if status == "FINISHED" and best is not None and not state.running:
        for name, expected in {"best_trial": str(best.trial.number), "trials": str(len(state.trials))}.items():
            found = str(parent.data.tags.get(name))
            if found != expected:
                yield difference("altered", f"the parent run's tag {name}", expected, found)


def audit_parents(pairs: "Mapping[int, Run]", stored: StoredRuns) -> Iterator[Difference]:
    """Give the trials' runs that are not below the sweep's one parent."""
    parents = [run.info.run_id for run in stored.runs if "trial" not in run.data.tags]
    for number, run in pairs.items():
        found = str(run.data.tags.get(_PARENT))
        if len(parents) == 1 and found != parents[0]:
            yield difference("altered", f"trial {number}, its parent run", parents[0], found, number)


def _spoilt(stored: StoredRuns, state: SweepState) -> Iterator[Difference]:
    """Give the runs that a kill left half made: nobody can read or find them."""
    for run in stored.unreadable:
        whose = f"trial {run.trial}, " if run.trial else ""
        yield difference("altered", f"{whose}run {run.run_id}", READABLE, run.reason)
    starts = {round(trial.drawn_at * 1000) for trial in state.trials}
    for other in stored.unmarked:
        if other.info.start_time in starts:  # to the millisecond
            yield difference("orphaned", f"run {other.info.run_id}", "the sweep's tags", "none")


def _count(what: str, runs: "Sequence[Run]", trial: int | None) -> Difference:
    kind: Kind = "repeated" if runs else "lost"
    found = f"{len(runs)}: {some([run.info.run_id for run in runs])}" if runs else "none"
    return difference(kind, what, "one", found, trial)
