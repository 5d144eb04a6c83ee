"""Evaluations of drawn embeddings for the tests: families alike, twins more alike, a person most."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores, pair_scores
from twinverify.verification.unrelated import UnrelatedBlock, unrelated_blocks


@dataclass(frozen=True)
class Evaluation:
    """Embeddings with who they show, and all that is made of them."""

    embeddings: NDArray[np.float32]
    person: NDArray[np.int64]
    family: NDArray[np.int64]
    twin_pairs: NDArray[np.int64]
    names: list[str]
    scores: PairScores
    kept: FamilyScores

    @property
    def unrelated(self) -> UnrelatedBlock:
        """All unrelated pairs in one block."""
        blocks = unrelated_blocks(self.embeddings, self.family, np.arange(len(self.family)))
        return UnrelatedBlock(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))


def evaluation(
    twins: int = 8, singles: int = 3, images: int = 3, seed: int = 0, noise: float = 1.0, width: int = 12
) -> Evaluation:
    """Draw `twins` families of two people and `singles` of one; more noise, more errors; images differ in number."""
    rng = np.random.default_rng(seed)
    family_of = np.concatenate([np.repeat(np.arange(twins), 2), twins + np.arange(singles)]).astype(np.int64)
    each = images + rng.integers(0, 2, len(family_of))
    person = np.repeat(np.arange(len(family_of)), each)
    likeness = rng.normal(size=(twins + singles, width))[family_of]
    point = likeness + 0.6 * rng.normal(size=(len(family_of), width))
    # Faces differ from a common face: with it, cosines of unrelated people are not all near 0.
    faces = 0.5 + point[person] + noise * rng.normal(size=(len(person), width))
    return scored(faces.astype(np.float32), person, family_of[person], np.arange(2 * twins).reshape(-1, 2))


def scored(
    embeddings: NDArray[np.float32],
    person: NDArray[np.int64],
    family: NDArray[np.int64],
    twin_pairs: NDArray[np.int64],
) -> Evaluation:
    """Score some embeddings and keep the scores by family."""
    content = np.arange(len(person))
    names = [f"family {number}" for number in range(int(family.max()) + 1)]
    scores = pair_scores(embeddings, person, family, twin_pairs, content)
    kept = by_family(scores, unrelated_blocks(embeddings, family, content), names)
    return Evaluation(embeddings, person, family, twin_pairs, names, scores, kept)
