"""Scores of drawn embeddings: unrelated people alike, twins more alike, one person most."""

import numpy as np

from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores, pair_scores
from twinverify.verification.unrelated import unrelated_blocks


def drawn(families: int = 8, images: int = 4, *, twins: bool = True, seed: int = 0) -> tuple[PairScores, FamilyScores]:
    """Draw `families` of two people, or of one person each without twins."""
    rng = np.random.default_rng(seed)
    each = 2 if twins else 1
    person = np.repeat(np.arange(families * each), images)
    family = person // each
    of_family, of_person = rng.normal(size=(families, 12)), 0.7 * rng.normal(size=(families * each, 12))
    noise = 0.8 * rng.normal(size=(len(person), 12))
    embeddings = (of_family[family] + of_person[person] + noise).astype(np.float32)
    pairs = np.arange(families * 2).reshape(-1, 2) if twins else np.empty((0, 2), np.int64)
    content = np.arange(len(person))
    scores = pair_scores(embeddings, person, family, pairs, content)
    unrelated = unrelated_blocks(embeddings, family, content)
    return scores, by_family(scores, unrelated, [str(number) for number in range(families)])
