"""The files of a training's folder that go to its run: log, versions, changed code, and the pictures of the best epoch.

The photograph rule holds by what is in the folder: a picture shows faces only where they are synthetic.
"""

import logging
from pathlib import Path

from twinverify.durable import disk_trouble
from twinverify.errors import UserError
from twinverify.faces.pictures import epoch_of
from twinverify.search.roc import draw_roc
from twinverify.search.run_files import DIFF_FILE, ROC_FILE, VERSIONS_FILE
from twinverify.training.names import LOG, ROLLOUT, SCORES
from twinverify.verification.family_scores import FamilyScores

_log = logging.getLogger(__name__)


def attached_files(folder: Path, best: int | None) -> list[Path]:
    """Give what is there to attach, once the training has ended; the ROC is drawn where it is not there yet.

    Args:
        folder: the training's.
        best: its best epoch; None where it has none. Pictures of another epoch (a kill came between a file and its
            report) stay where they are.
    """
    files = [path for name in (LOG, VERSIONS_FILE, DIFF_FILE) if (path := folder / name).exists()]
    if best is not None and epoch_of(folder / ROLLOUT) == best:
        files.append(folder / ROLLOUT)
    if best is not None and _drawn(folder, best):
        files.append(folder / ROC_FILE)
    return files


def _drawn(folder: Path, best: int) -> bool:
    try:
        scores = FamilyScores.load(folder / SCORES)
        if scores.epoch != best:
            return False
        draw_roc(scores, folder / ROC_FILE)
    except UserError:  # none were kept, or they are damaged
        return False
    except Exception as error:  # no picture is worth a run that is never delivered
        if not disk_trouble(error):  # the sweep tells that itself
            _log.warning("%s: cannot be drawn", folder / ROC_FILE, exc_info=True)
        return False
    return True
