"""A diagnosis in words, and for machines."""

import time
from dataclasses import dataclass

from twinverify.errors import counted, some
from twinverify.tracking.doctor.diagnosis import Diagnosis


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Attributes:
        kind: in a word for machines.
        what: in words for people.
        run_ids: where.
        names: the runs' names.
        cure: what repair=true does.
        curable: whether it can.
    """

    kind: str
    what: str
    run_ids: list[str]
    names: list[str]
    cure: str
    curable: bool = True


def findings(diagnosis: Diagnosis, *, editable: bool) -> list[Finding]:
    """Give what was found, kind by kind.

    Args:
        diagnosis: what was found.
        editable: whether the store's metrics can be edited.
    """
    told = [*_torn(diagnosis), *_dead(diagnosis), *_same(diagnosis)]
    return [*told, *_twice(diagnosis, editable), *_junk(diagnosis, editable)]


def _torn(diagnosis: Diagnosis) -> list[Finding]:
    lost = [torn.run.name for torn in diagnosis.torn if torn.lost]
    cut = [torn.run.name for torn in diagnosis.torn if not torn.lost]
    found = []
    if lost:
        cure = "goes whole to the kept originals: it is no run any more, and fails every search"
        found.append(Finding("lost", "run without its meta.yaml", lost, lost, cure))
    if cut:
        cure = "loses its cut lines, which nothing can read; gets the folders it lacks"
        found.append(Finding("cut", "run whose making or last line was cut off", cut, cut, cure))
    return found


def _dead(diagnosis: Diagnosis) -> list[Finding]:
    if not diagnosis.dead:
        return []
    runs = [run for run, _ in diagnosis.dead]
    last = time.strftime("%Y-%m-%d %H:%M", time.localtime(max(sign for _, sign in diagnosis.dead)))
    what = f"left RUNNING by a dead process (last sign {last})"
    ids, names = [run.info.run_id for run in runs], [run.info.run_name for run in runs]
    return [Finding("running", what, ids, names, "becomes KILLED, ended at its last sign")]


def _same(diagnosis: Diagnosis) -> list[Finding]:
    others = [other for same in diagnosis.same for other in same.others]
    if not others:
        return []
    cure = "the fullest gets the steps it lacks and the trial's end; the others are deleted (MLflow can restore them)"
    trials = counted(len(diagnosis.same), "trial")
    ids, names = [other.info.run_id for other in others], [other.info.run_name for other in others]
    return [Finding("duplicate", f"second run of a trial ({trials})", ids, names, cure)]


def _twice(diagnosis: Diagnosis, editable: bool) -> list[Finding]:
    patients = [patient for patient in diagnosis.patients if patient.twice]
    if not patients:
        return []
    surplus = [each for patient in patients for each in patient.twice.values()]
    count, differing = sum(len(each.entries) for each in surplus), sum(each.differing for each in surplus)
    values = counted(count, "value")
    what = f"steps twice: {values} too many, {differing} of them not the same value"
    ids, names = [each.run.info.run_id for each in patients], [each.run.info.run_name for each in patients]
    cure = "the later value by time stays" if editable else _SERVER
    return [Finding("twice", what, ids, names, cure, editable)]


def _junk(diagnosis: Diagnosis, editable: bool) -> list[Finding]:
    patients = [patient for patient in diagnosis.patients if patient.junk]
    if not patients:
        return []
    metrics = sorted({name for patient in patients for name in patient.junk})
    what = f"Tune's bookkeeping as {counted(len(metrics), 'metric')}: {some(metrics, 4)}"
    ids, names = [each.run.info.run_id for each in patients], [each.run.info.run_name for each in patients]
    return [Finding("junk", what, ids, names, "is dropped" if editable else _SERVER, editable)]


_SERVER = "stays: a server has no way to drop metrics; stop it, and give tracking= the store that it serves"
