"""Several runs of one trial: Tune's callback makes a second one after a restore, and goes on where the first ended."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run

from twinverify.tracking.batches import write_in_batches
from twinverify.tracking.doctor.entries import is_bookkeeping, repeated, without
from twinverify.tracking.doctor.histories import Histories

#: Tune's own ids at the end of a trial's name: of the experiment, drawn by chance, and of the trial. A name that a
#: user's function gives may come again in another sweep.
_TUNES_OWN: Final = re.compile(r"_[0-9a-f]{5,8}_\d{5}$")


@dataclass(frozen=True)
class SameTrial:
    """Runs of one trial.

    Attributes:
        name: of the trial.
        kept: the fullest; it gets what it lacks of the others.
        others: those that are deleted, as MLflow deletes: they can be restored.
        last: the one that began last, which knows how the trial ended.
    """

    name: str
    kept: Run
    others: tuple[Run, ...]
    last: Run


def find_same(runs: Iterable[Run], sizes: dict[str, int]) -> list[SameTrial]:
    """Group runs by trial.

    Args:
        runs: those that nobody writes to.
        sizes: run id -> how many values it holds.
    """
    groups: dict[str, list[Run]] = {}
    for run in runs:
        trial = _trial(run)
        if trial is not None:
            groups.setdefault(trial, []).append(run)
    return [_same(name, group, sizes) for name, group in groups.items() if len(group) > 1 and _agree(group)]


def merge(client: MlflowClient, histories: Histories, same: SameTrial) -> None:
    """Give the fullest run what only the others have, and the trial's end, and delete the others; nothing is lost."""
    kept = same.kept.info.run_id
    known = {(name, entry.step) for name, entries in histories.read(kept).items() for entry in entries}
    for other in same.others:
        metrics = _lacking(histories, other, known)
        params = [Param(key, value) for key, value in other.data.params.items() if key not in same.kept.data.params]
        write_in_batches(client, kept, metrics, params)
        same.kept.data.params.update(other.data.params)
    end = same.last.info
    if end.status != "RUNNING" and end.run_id != kept:
        client.set_terminated(kept, end.status, end.end_time)
    for other in same.others:
        client.delete_run(other.info.run_id)


def _lacking(histories: Histories, run: Run, known: set[tuple[str, int]]) -> list[Metric]:
    """Give what a run has at steps that are not known, and count them as known from now on."""
    lacking: list[Metric] = []
    for name, entries in histories.read(run.info.run_id).items():
        if is_bookkeeping(name):
            continue
        once = without(entries, repeated(entries, run.data.tags).entries)
        new = [each for each in once if (name, each.step) not in known]
        lacking += [Metric(name, each.value, each.timestamp, each.step) for each in new]
        known |= {(name, each.step) for each in new}
    return lacking


def _trial(run: Run) -> str | None:
    tags = run.data.tags
    if "sweep_id" in tags and "trial" in tags:
        return f"{tags.get('sweep', tags['sweep_id'])} trial {tags['trial']} ({tags['sweep_id']})"
    name = tags.get("trial_name", "")
    return name if _TUNES_OWN.search(name) else None


def _agree(group: Sequence[Run]) -> bool:
    """Tell whether the runs have the same parameters; one that was killed early may lack some."""
    told: dict[str, str] = {}
    return all(told.setdefault(key, value) == value for run in group for key, value in run.data.params.items())


def _same(name: str, group: Collection[Run], sizes: dict[str, int]) -> SameTrial:
    by_start = sorted(group, key=lambda run: run.info.start_time)
    *others, kept = sorted(by_start, key=lambda run: sizes[run.info.run_id])
    return SameTrial(name, kept, tuple(others), by_start[-1])
