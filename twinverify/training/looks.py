"""Keeps a picture of what the model of the best epoch looks at: the attention rollout of a few validation images."""

from pathlib import Path
from typing import Final

import numpy as np
import torch

from twinverify.durable import aside
from twinverify.faces.faceset import FaceSet
from twinverify.faces.overlay import attention_sheet
from twinverify.faces.pictures import epoch_of, save_picture
from twinverify.model.dcal import Dcal
from twinverify.model.glca import local_count
from twinverify.training.augment import to_unit_range
from twinverify.training.checkpoint import read_model
from twinverify.training.device import Hardware
from twinverify.training.files import read_tensors
from twinverify.training.loading import load_images
from twinverify.training.names import BEST, ROLLOUT

#: Images in a picture.
_SHOWN: Final = 6


def keep_look(folder: Path, model: Dcal, faces: FaceSet, hardware: Hardware, epoch: int, *, photographs: bool) -> None:
    """Draw where a model's class token looks, in place of the picture that is there.

    Args:
        folder: a training's.
        model: as it was validated; its mode is left as it was.
        faces: the validation set: of twins both, of other people one image each, always the same.
        hardware: where to compute.
        epoch: which epoch of its training the model has; kept in the file.
        photographs: whether the faces are drawn too.
    """
    chosen = _chosen(faces)
    was_training = model.training
    model.eval()
    with torch.inference_mode(), hardware.autocast():
        looks = model.look(to_unit_range(load_images(faces, chosen, hardware.device))).float().cpu().numpy()
    model.train(was_training)
    glca = model.settings.glca
    by_map = bool(glca.blocks) and glca.selection == "rollout"
    outlined = local_count(glca, looks.shape[1]) if by_map else 0
    pixels = faces.pixels[faces.rows[chosen]] if photographs else None
    with aside(folder / ROLLOUT) as temporary:
        save_picture(attention_sheet(looks, outlined, pixels), temporary, epoch)


def mend_look(folder: Path, faces: FaceSet, hardware: Hardware, *, photographs: bool) -> None:
    """Draw the picture anew from the best weights where a kill, damage or an older version left none of that epoch.

    Args:
        folder: a training's; its best weights have been mended.
        faces: what it is validated on.
        hardware: where to compute.
        photographs: as in `keep_look`.
    """
    best = folder / BEST
    epoch: int = read_tensors(best)[1]["epoch"]
    if epoch_of(folder / ROLLOUT) != epoch:
        keep_look(folder, read_model(best).to(hardware.device), faces, hardware, epoch, photographs=photographs)


def _chosen(faces: FaceSet) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Give the positions of the images to look at: the first of each twin, pair by pair, then of other people."""
    people = dict.fromkeys([*faces.twin_pairs.ravel().tolist(), *range(len(faces.person_ids))])
    _, first = np.unique(faces.person, return_index=True)
    return first[list(people)[:_SHOWN]].astype(np.int64)
