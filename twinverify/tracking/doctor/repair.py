"""Mends what a diagnosis tells, in an order in which a kill at any moment leaves what the next repair mends."""

from pathlib import Path

from mlflow import MlflowClient

from twinverify.tracking.delivery import milliseconds
from twinverify.tracking.doctor.diagnosis import Diagnosis, Patient
from twinverify.tracking.doctor.histories import EditableHistories, Histories
from twinverify.tracking.doctor.in_files import make_kept_folder
from twinverify.tracking.doctor.same_trial import merge
from twinverify.tracking.doctor.torn import mend
from twinverify.tracking.leftovers import experiment_folder


def mend_torn(client: MlflowClient, experiment_id: str, diagnosis: Diagnosis, stamp: str) -> Path | None:
    """Mend what MLflow cannot read; what else is wrong with these runs can be told only then.

    Returns:
        Where the originals are kept; None where nothing is torn.
    """
    folder = experiment_folder(client, experiment_id)
    if folder is None or not diagnosis.torn:
        return None
    kept = make_kept_folder(folder.parent, stamp)
    for torn in diagnosis.torn:
        mend(torn, kept / "torn" / experiment_id / torn.run.name)
    return kept


def repair(client: MlflowClient, histories: Histories, diagnosis: Diagnosis, stamp: str) -> Path | None:
    """Mend all else.

    Args:
        client: a client of the store.
        histories: the metrics of its runs; what cannot be edited stays.
        diagnosis: what to mend.
        stamp: tells this repair's copies from those of others.

    Returns:
        Where the originals of what was edited are kept; None where nothing was.
    """
    kept = None
    if isinstance(histories, EditableHistories) and diagnosis.patients:
        kept = histories.keep_copy([patient.run.info.run_id for patient in diagnosis.patients], stamp)
        for patient in diagnosis.patients:
            _drop_surplus(histories, patient)
    for run, sign in diagnosis.dead:
        client.set_terminated(run.info.run_id, "KILLED", milliseconds(sign))
    for same in diagnosis.same:
        for other in same.others:
            if other.info.status == "RUNNING":  # restored one day, it must not say so
                client.set_terminated(other.info.run_id, "KILLED")
        merge(client, histories, same)
    return kept


def _drop_surplus(histories: EditableHistories, patient: Patient) -> None:
    entries = histories.read(patient.run.info.run_id)
    dropped = {name: entries[name] for name in patient.junk if name in entries}
    dropped |= {name: list(surplus.entries) for name, surplus in patient.twice.items()}
    histories.drop(patient.run.info.run_id, dropped)
