"""Audits a journal by itself: its events can have happened, and a replay repeats every draw and every decision."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twinverify.errors import UserError
from twinverify.search.audit.difference import Difference
from twinverify.search.audit.events import audit_events
from twinverify.search.audit.replay import Redraw, Restop, audit_replay
from twinverify.search.journal import FILE_NAME, read_journal
from twinverify.search.past import Nobody, objective_of, replayed
from twinverify.search.planned import StoredSweep
from twinverify.search.spare import spared_by
from twinverify.search.state import SweepState
from twinverify.search.stored import KnownSweep
from twinverify.search.versions import installed_versions, version_note

#: What decides what is drawn.
_DRAWING: Final = ("optuna", "numpy")
_NOT_COMPARED: Final = "The journal cannot be followed to its end, so files and MLflow runs were not compared with it."


@dataclass(frozen=True)
class AuditedJournal:
    """A journal with what is wrong in it.

    Attributes:
        state: what it tells; None where it cannot be followed to its end.
        differences: what is wrong.
        notes: what those who read them should know first.
    """

    state: SweepState | None
    differences: tuple[Difference, ...]
    notes: tuple[str, ...] = ()


def audit_journal(folder: Path, known: KnownSweep, told: Callable[[int], None]) -> AuditedJournal:
    """Audit the journal in `folder`; `told` hears of each trial that is drawn again."""
    sweep = known.sweep
    try:
        events = list(read_journal(folder))
    except UserError as error:
        damage = Difference("journal", "altered", FILE_NAME, "a whole event in each line", str(error))
        return AuditedJournal(None, (damage,), (_NOT_COMPARED,))
    faults = audit_events(events, objective_of(sweep))
    if faults:
        state = _followed(folder, sweep, faults)
        return AuditedJournal(state, tuple(faults), () if state else (_NOT_COMPARED,))
    redraw, restop = Redraw(known, told), Restop(sweep)
    state = replayed(folder, sweep, redraw, restop)
    draws, decisions = audit_replay(events, redraw, restop, state.epochs, spared_by(sweep.options))
    was = {name: version for name, version in sweep.versions.items() if name in _DRAWING}
    changed = version_note(was, installed_versions()) if draws else None
    if changed is None:
        return AuditedJournal(state, (*draws, *decisions))
    changed = changed.partition(": the rest of the sweep")[0]
    return AuditedJournal(state, tuple(decisions), (f"The draws could not be repeated here: {changed}.",))


def _followed(folder: Path, sweep: StoredSweep, faults: Sequence[Difference]) -> SweepState | None:
    """Give what a faulty journal tells: what stands there twice takes nothing away, all else spoils what follows."""
    if any(fault.kind != "repeated" for fault in faults):
        return None
    try:
        return replayed(folder, sweep, Nobody())
    except UserError:
        return None
