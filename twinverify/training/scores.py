"""Keeps the scores of a training's best epoch: small beside its weights, and all that intervals and curves need."""

from pathlib import Path

from twinverify.durable import aside
from twinverify.errors import UserError
from twinverify.faces.faceset import FaceSet
from twinverify.training.checkpoint import read_model
from twinverify.training.device import Hardware
from twinverify.training.evaluate import Validation, validate
from twinverify.training.files import read_tensors
from twinverify.training.names import BEST, SCORES
from twinverify.verification.family_scores import FamilyScores


def keep_scores(folder: Path, validation: Validation, epoch: int) -> None:
    """Write the scores of an epoch in place of those that are there."""
    with aside(folder / SCORES) as temporary:
        validation.by_family(epoch).save(temporary)


def mend_scores(folder: Path, faces: FaceSet, hardware: Hardware) -> None:
    """Make the scores anew from the best weights where a kill, damage or an older version left none of that epoch.

    Args:
        folder: a training's; its best weights have been mended.
        faces: what it is validated on.
        hardware: where to compute.
    """
    best = folder / BEST
    epoch: int = read_tensors(best)[1]["epoch"]
    try:
        if FamilyScores.load(folder / SCORES).epoch == epoch:
            return
    except UserError:
        pass
    keep_scores(folder, validate(read_model(best).to(hardware.device), faces, hardware), epoch)
