"""Validation: one embedding an image, then the verification metrics of all pairs."""

import numpy as np
import torch
from numpy.typing import NDArray

from twinverify.faces.faceset import FaceSet
from twinverify.model.dcal import Dcal
from twinverify.training.augment import to_unit_range
from twinverify.training.device import Hardware
from twinverify.training.loading import load_images
from twinverify.verification.pairs import PairScores, pair_scores
from twinverify.verification.protocols import verification_metrics

# Images in one forward pass. No setting: it changes no number but the memory, and without gradients that is far below
# a training step's.
_BATCH = 64


def embed_faces(model: Dcal, faces: FaceSet, hardware: Hardware) -> NDArray[np.float32]:
    """Give one embedding (B, E) an image, in evaluation mode; the model's mode is left as it was."""
    was_training = model.training
    model.eval()
    embeddings = np.empty((len(faces), model.embedding), np.float32)
    with torch.inference_mode(), hardware.autocast():
        for start in range(0, len(faces), _BATCH):
            positions = np.arange(start, min(start + _BATCH, len(faces)))
            images = to_unit_range(load_images(faces, positions, hardware.device))
            embeddings[positions] = model.embed(images).float().cpu().numpy()
    model.train(was_training)
    return embeddings


def evaluate(model: Dcal, faces: FaceSet, hardware: Hardware) -> dict[str, float]:
    """Give the verification metrics of a set, without prefix: `twin_eer`, `general_auc`, ….

    Raises:
        BadEmbeddingsError: an embedding is not finite, or zero.
    """
    scores = _scores(model, faces, hardware)  # by a function of its own: the embeddings are gone before the curves
    return verification_metrics(scores)


def _scores(model: Dcal, faces: FaceSet, hardware: Hardware) -> PairScores:
    embeddings = embed_faces(model, faces, hardware)
    return pair_scores(embeddings, faces.person, faces.family, faces.twin_pairs, faces.content)
