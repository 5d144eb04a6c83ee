"""Audits one trial's MLflow run: status, parameters, every value of every metric, and the configuration."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from twinverify.errors import some
from twinverify.search.audit.config import TrialConfig
from twinverify.search.audit.difference import Difference, Kind
from twinverify.search.audit.store import Point, RunContent
from twinverify.search.files import CONFIG_FILE
from twinverify.search.record import Trial
from twinverify.tracking.record import OURS

if TYPE_CHECKING:
    from mlflow.entities import Run

READABLE: Final = "a run that can be read"
#: A trial that has not ended: an orderly interruption shows its run as KILLED.
_STATUSES: Final = {
    "running": ("RUNNING", "KILLED"),
    "completed": ("FINISHED",),
    "pruned": ("FINISHED",),
    "failed": ("FAILED",),
}


def audit_run(trial: Trial, run: "Run", content: RunContent, config: TrialConfig) -> Iterator[Difference]:
    """Give what differs between a trial and its run.

    Args:
        trial: as the journal tells it.
        run: the run.
        content: what the run does not hold itself.
        config: what the trial's values give.
    """
    facts = [
        ("status", _STATUSES[trial.state], run.info.status),
        ("tag trial_state", (trial.state,), run.data.tags.get("trial_state")),
    ]
    for name, allowed, found in facts:
        if found not in allowed:
            what = f"trial {trial.number}, {name}"
            yield difference("altered", what, " or ".join(map(str, allowed)), str(found), trial.number)
    yield from _parameters(trial, run)
    if content.trouble is not None:
        yield difference("altered", f"trial {trial.number}, run {run.info.run_id}", READABLE, content.trouble)
        return
    yield from _metrics(trial, content)
    what = f"trial {trial.number}, {CONFIG_FILE}"
    if content.config is None:
        yield difference("lost", what, "a configuration", "no such artifact", trial.number)
    elif (different := config.difference(content.config)) is not None:
        yield difference("altered", what, *different, trial.number)


def difference(kind: Kind, what: str, expected: str, found: str, trial: int | None = None) -> Difference:
    """Give a difference in MLflow."""
    return Difference("MLflow", kind, what, expected, found, trial)


def _parameters(trial: Trial, run: "Run") -> Iterator[Difference]:
    expected = {key: str(value) for key, value in trial.values.items()}
    found: dict[str, str] = run.data.params
    for key in dict.fromkeys([*expected, *found]):
        if expected.get(key) != found.get(key):
            kind: Kind = "lost" if key not in found else "altered" if key in expected else "orphaned"
            what = f"trial {trial.number}, parameter {key}"
            told = expected.get(key, "no such parameter"), found.get(key, "no such parameter")
            yield difference(kind, what, *told, trial.number)


def _metrics(trial: Trial, content: RunContent) -> Iterator[Difference]:
    """Compare every value; metrics that differ in the same steps share a line, as they do where an epoch is missing."""
    shared: dict[tuple[Kind, str, str], list[str]] = {}
    histories = _histories(trial)
    # Others may have put metrics of their own into a run.
    ours = [key for key in content.histories if key in histories or key.startswith(OURS)]
    for key in dict.fromkeys([*histories, *ours]):
        expected, found = histories.get(key, []), content.histories.get(key, [])
        if expected != found:
            shared.setdefault(_compared(expected, found), []).append(key)
    for (kind, expected_told, found_told), keys in shared.items():
        what = f"trial {trial.number}, {some(keys)}"
        yield difference(kind, what, expected_told, found_told, trial.number)


def _histories(trial: Trial) -> dict[str, list[Point]]:
    """Give what a run should hold of a trial's reports."""
    histories: dict[str, list[Point]] = {}
    for epoch, (metrics, at) in enumerate(zip(trial.reports, trial.reported_at, strict=True), 1):
        for key, value in metrics.items():
            histories.setdefault(key, []).append(Point(epoch, value, round(at * 1000)))
    return histories


def _compared(expected: Sequence[Point], found: Sequence[Point]) -> tuple[Kind, str, str]:
    """Tell two histories apart: in their steps, or else in the first value or time that differs."""
    wanted, there = [point.step for point in expected], [point.step for point in found]
    if wanted != there:
        return _kind_of(wanted, there), _steps(wanted), _steps(there)
    mine, theirs = next((mine, theirs) for mine, theirs in zip(expected, found, strict=True) if mine != theirs)
    name = "value" if mine.value != theirs.value else "at"
    values = (f"{getattr(mine, name)!r}", f"{getattr(theirs, name)!r}")
    unit = " ms" if name == "at" else ""
    return "altered", f"{values[0]}{unit} at step {mine.step}", f"{values[1]}{unit}"


def _kind_of(wanted: Sequence[int], there: Sequence[int]) -> Kind:
    if set(wanted) - set(there):
        return "lost"
    if set(there) - set(wanted):
        return "orphaned"
    return "repeated" if max(Counter(there).values()) > 1 else "altered"


def _steps(steps: Sequence[int]) -> str:
    if not steps:
        return "no step"
    if len(steps) > 2 and list(steps) == list(range(steps[0], steps[-1] + 1)):
        return f"steps {steps[0]} to {steps[-1]}"
    return f"{'step' if len(steps) == 1 else 'steps'} {some(steps, 12)}"
