"""Validation: one embedding an image, then the verification metrics of all pairs."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from twinverify.faces.faceset import FaceSet
from twinverify.model.dcal import Dcal
from twinverify.training.augment import to_unit_range
from twinverify.training.device import Hardware
from twinverify.training.loading import load_images
from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores, pair_scores
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.unrelated import unrelated_blocks

# Images in one forward pass. No setting: it changes no number but the memory, and without gradients that is far below
# a training step's.
_BATCH = 64


@dataclass(frozen=True)
class Validation:
    """A set of faces as a model sees it.

    Attributes:
        metrics: without prefix: `twin_eer`, `general_auc`, ….
        scores: of all pairs.
        faces: the set.
        embeddings: (B, E), one an image.
    """

    metrics: dict[str, float]
    scores: PairScores = field(repr=False)
    faces: FaceSet = field(repr=False)
    embeddings: NDArray[np.float32] = field(repr=False)

    def by_family(self, epoch: int = 0) -> FamilyScores:
        """Give the scores with their families, to be kept; it takes as long as the scoring, so only where it is wanted.

        Args:
            epoch: which epoch of its training the model has.
        """
        faces = self.faces
        unrelated = unrelated_blocks(self.embeddings, faces.family, faces.content)
        return by_family(self.scores, unrelated, _family_names(faces), epoch)


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


def validate(model: Dcal, faces: FaceSet, hardware: Hardware) -> Validation:
    """Measure a model on a set.

    Raises:
        BadEmbeddingsError: an embedding is not finite, or zero.
    """
    embeddings = embed_faces(model, faces, hardware)
    scores = pair_scores(embeddings, faces.person, faces.family, faces.twin_pairs, faces.content)
    return Validation(verification_metrics(scores), scores, faces, embeddings)


def _family_names(faces: FaceSet) -> list[str]:
    """Call each family by its first person: so a family has one name in every split that it is in."""
    names: dict[int, str] = {}
    for person, family in sorted(set(zip(faces.person.tolist(), faces.family.tolist(), strict=True))):
        name = faces.person_ids[person]
        names[family] = min(name, names.get(family, name))
    return [names[family] for family in sorted(names)]
