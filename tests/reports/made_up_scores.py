"""Scores of families with a known separation between same-person, twin and unrelated pairs."""

import numpy as np

from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores
from twinverify.verification.unrelated import UnrelatedBlock


def scores_of(*, twins: float, families: int = 10, pairs: int = 40, seed: int = 0, same: float = 0.5) -> FamilyScores:
    """Give normal scores: same-person pairs around `same`, twins around `twins`, the unrelated around 0; sd 0.1."""
    rng = np.random.default_rng(seed)
    family = np.repeat(np.arange(families), pairs)
    first, second = np.triu_indices(families, 1)
    first, second = np.repeat(first, pairs), np.repeat(second, pairs)
    alike, twin, general = (
        rng.normal(mean, 0.1, len(of)).clip(-1, 1).astype(np.float32)
        for mean, of in ((same, family), (twins, family), (0.0, first))
    )
    found = PairScores(same=alike, twin=twin, general=general, same_family=family, twin_family=family)
    names = [f"family {number}" for number in range(families)]
    return by_family(found, [UnrelatedBlock(general, first, second)], names)


def without_twins(scores: FamilyScores) -> FamilyScores:
    found = PairScores(
        same=scores.same,
        twin=scores.twin[:0],
        general=np.empty(0, np.float32),
        same_family=scores.same_family.astype(np.int64),
        twin_family=scores.twin_family[:0].astype(np.int64),
    )
    return by_family(found, [], scores.families.tolist())
