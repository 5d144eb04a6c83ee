"""Audits checkpoints and scores of a sweep: those that must be there are of the right epoch, no others are there.

Which these are is the rule of `keep.Keeper`.
"""

from collections.abc import Iterator
from pathlib import Path

from twinverify.errors import UserError
from twinverify.search.audit.difference import Difference, Kind
from twinverify.search.keep import OF_THE_BEST, kept_ended
from twinverify.search.record import Trial
from twinverify.search.state import SweepState
from twinverify.training.alone import half_written
from twinverify.training.names import BEST, CHECKPOINTS, LAST, PREVIOUS, SCORES
from twinverify.verification.family_scores import FamilyScores


def kept_trials(state: SweepState, keep: int) -> set[int]:
    """Give the trials whose checkpoints are to be there: those that run, and the best `keep` of those that got on."""
    return {trial.number for trial in state.running} | kept_ended(state, keep)


def audit_checkpoints(
    folder: Path, trial: Trial, objective: str, *, kept: bool, scored: bool = False
) -> Iterator[Difference]:
    """Give what differs in a trial's checkpoints.

    Args:
        folder: the trial's.
        trial: as the journal tells it.
        objective: the metric that the best epoch is best by.
        kept: whether its checkpoints are to be there.
        scored: whether the sweep's trials keep their scores; those of versions up to 0.2.0 did not.
    """
    best = trial.best(objective)
    if best is not None:
        yield from _scores(folder / SCORES, trial, best[0], scored=scored)
    if trial.state != "running":
        stays = OF_THE_BEST if kept else ()
        goes = [folder / name for name in CHECKPOINTS if name not in stays and (folder / name).exists()]
        for path in (*goes, *half_written(folder)):
            yield _difference("orphaned", path, "no such file any more", "one", trial)
    if not kept or best is None:
        return
    yield from _last(folder, trial)
    yield from _best(folder / BEST, trial, best[0])


def _last(folder: Path, trial: Trial) -> Iterator[Difference]:
    """Of the last epoch or a later one: it is written before the epoch is reported."""
    path = folder / LAST
    # A kill between the renames leaves the state before under its other name.
    if not path.exists() and trial.state == "running" and (folder / PREVIOUS).exists():
        path = folder / PREVIOUS
    found = _epoch(path, trial)
    if isinstance(found, Difference):
        yield found
    elif found < trial.epoch:
        yield _difference("altered", path, f"the state after epoch {trial.epoch}", f"after epoch {found}", trial)


def _best(path: Path, trial: Trial, wanted: int) -> Iterator[Difference]:
    found = _epoch(path, trial)
    if isinstance(found, Difference):
        yield found
    elif found != wanted and not _is_ahead(found, trial):
        yield _difference("altered", path, f"the weights of epoch {wanted}", f"of epoch {found}", trial)


def _scores(path: Path, trial: Trial, wanted: int, *, scored: bool) -> Iterator[Difference]:
    if not path.exists():
        if scored and trial.state in ("completed", "pruned"):
            yield _difference("lost", path, "the scores of its best epoch", "no such file", trial)
        return
    try:
        found = FamilyScores.load(path).epoch
    except UserError as error:
        told = str(error).removeprefix(f"{path}: ")
        yield _difference("altered", path, "scores that can be read", told, trial)
        return
    if found != wanted and not _is_ahead(found, trial):
        yield _difference("altered", path, f"the scores of epoch {wanted}", f"of epoch {found}", trial)


def _is_ahead(epoch: int, trial: Trial) -> bool:
    """Tell whether an epoch's report did not get through; it can have been the best."""
    return epoch > trial.epoch and trial.state in ("running", "failed")


def _epoch(path: Path, trial: Trial) -> int | Difference:
    """Read a checkpoint and give its epoch, or what is wrong with it."""
    # torch takes seconds to import; a sweep without checkpoints is looked at without it.
    from twinverify.training.files import DamagedFileError, read_tensors

    try:
        values = read_tensors(path)[1]
        return int(values["epoch"] if path.name == BEST else values["reports"][-1]["epoch"])
    except FileNotFoundError:
        return _difference("lost", path, "a checkpoint", "no such file", trial)
    except (DamagedFileError, OSError, LookupError, TypeError, ValueError) as error:
        told = str(error).removeprefix(f"{path}: ")
        return _difference("altered", path, "a checkpoint that can be read", told, trial)


def _difference(kind: Kind, path: Path, expected: str, found: str, trial: Trial) -> Difference:
    return Difference("files", kind, f"{path.parent.name}/{path.name}", expected, found, trial.number)
