"""A population of twin families whose true rates are known: every score is a sum of normal effects.

A same-person score has an effect of the family, of the person and of the two images; a twin score one of the family,
of how alike its twins are, and of the images; an unrelated score one of either family and of the images. All of them
have noise of their own. Over the whole population each kind is one normal distribution, so EER, AUC and TAR are known
exactly, while the few families of a sample share their effects within themselves, as real ones do.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores
from twinverify.verification.score_matrix import matrix_blocks, matrix_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# The sds of the effects. With 29 families the sd of the twin EER is about two points then, as it is on ND-TWINS.
FAMILY, ALIKE, SAME, PERSON, FACE, IMAGE, NOISE = 0.2, 0.6, 0.25, 0.25, 0.25, 0.35, 0.6


@dataclass(frozen=True)
class Sample:
    """Some families of the population: who is on each image, and every effect in units of its sd.

    Attributes:
        person: (B,) int.
        family: (B,) int.
        effects: one array of standard normals for each kind of effect.
    """

    person: Ints
    family: Ints
    effects: tuple[Floats, ...]

    def seen_by_another(self, likeness: float, rng: np.random.Generator) -> "Sample":
        """Give the same images as another model scores them: its effects correlate with these by `likeness`."""
        rest = np.sqrt(1 - likeness**2)
        effects = tuple(likeness * effect + rest * rng.standard_normal(effect.shape) for effect in self.effects)
        return Sample(self.person, self.family, effects)


def draw(families: int, rng: np.random.Generator, images: tuple[int, int] = (4, 16)) -> Sample:
    """Draw twin families of two people with so many images each."""
    person = np.repeat(np.arange(2 * families), rng.integers(*images, size=2 * families, endpoint=True))
    number = len(person)
    shapes = (families, families, families, 2 * families, families, number, (number, number))
    return Sample(person, person // 2, tuple(rng.standard_normal(shape) for shape in shapes))


@dataclass(frozen=True)
class Population:
    """The whole population, as one model scores it.

    Attributes:
        twin_eer: the true EER of the twin protocol.
        general_eer: that of the general protocol.
    """

    twin_eer: float = 0.15
    general_eer: float = 0.03

    @property
    def sds(self) -> tuple[float, float, float]:
        """The sds of all same-person, twin and unrelated scores."""
        images = 2 * IMAGE**2 + NOISE**2
        same = FAMILY**2 + SAME**2 + PERSON**2 + images
        return float(np.sqrt(same)), float(np.sqrt(FAMILY**2 + ALIKE**2 + images)), float(np.sqrt(2 * FACE**2 + images))

    @property
    def means(self) -> tuple[float, float, float]:
        """The means of all same-person, twin and unrelated scores: an EER is where the two tails are equal."""
        same, twin, general = self.sds
        middle = norm.isf(self.twin_eer) * (same + twin)
        return middle, 0.0, middle - norm.isf(self.general_eer) * (same + general)

    def truth(self, metric: str) -> float:
        """Give the true value of one of the ranking metrics, in closed form."""
        other = 1 if metric.startswith("twin_") else 2
        gap, same, impostor = self.means[0] - self.means[other], self.sds[0], self.sds[other]
        if metric.endswith("_auc"):
            return float(norm.cdf(gap / np.hypot(same, impostor)))
        if metric.endswith("_eer"):
            return float(norm.cdf(-gap / (same + impostor)))
        far = float(metric.partition("_tar_at_far_")[2])
        return float(norm.sf((norm.isf(far) * impostor - gap) / same))

    def score(self, sample: Sample) -> tuple[PairScores, FamilyScores]:
        """Score all pairs of images of a sample."""
        matrix, people = self.matrix(sample), int(sample.person.max()) + 1
        scores = matrix_scores(matrix, sample.person, sample.family, np.arange(people).reshape(-1, 2))
        names = [str(number) for number in range(people // 2)]
        return scores, by_family(scores, matrix_blocks(matrix, sample.family), names)

    def matrix(self, sample: Sample) -> NDArray[np.float32]:
        """Give the scores of all images with all, above the diagonal (B, B)."""
        person, family = sample.person, sample.family
        shared, alike, same, own, face, image, noise = sample.effects
        of_same, of_twin, of_unrelated = self.means
        of_person = of_same + (FAMILY * shared + SAME * same)[family] + PERSON * own[person]
        of_twins = of_twin + (FAMILY * shared + ALIKE * alike)[family]
        within = np.where(person[:, None] == person, of_person, of_twins)
        between = of_unrelated + FACE * (face[family][:, None] + face[family])
        pair = IMAGE * (image[:, None] + image) + NOISE * noise
        return (pair + np.where(family[:, None] == family, within, between)).astype(np.float32)
