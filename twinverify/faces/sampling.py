"""Batches of people x images, with twins side by side."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from twinverify.faces.faceset import FaceSet
from twinverify.settings import BatchSettings


def epoch_batches(faces: FaceSet, settings: BatchSettings, seed: int, epoch: int) -> Iterator[NDArray[np.int64]]:
    """Draw the batches of one epoch.

    In each batch `twin_share` of the people (rounded at random to whole pairs, so that the mean is exact) come with
    their twin, the others without, from families that are not in the batch, as long as there are such. Whoever has the
    largest part of their images still unseen is drawn first, ties at random: as far as the shares allow, images do not
    repeat within an epoch. A person with fewer than `images` images repeats some.

    Args:
        faces: the training set, B images.
        settings: P people and K images of each. With fewer than P people in the set, every batch has all of them.
        seed: the run's seed.
        epoch: the epoch's number; nothing else is remembered between epochs.

    Yields:
        (P * K,) int64 positions into the set, person after person; max(1, B / (P * K)) batches, rounded.
    """
    rng = np.random.default_rng([seed, epoch])
    draw = _Draw(faces, rng)
    people = min(settings.people, draw.people)
    for _ in range(max(1, round(len(faces) / (people * settings.images)))):
        chosen = draw.batch_of_people(people, settings.twin_share)
        yield np.concatenate([draw.images_of(person, settings.images) for person in chosen])


class _Draw:
    """What has been drawn in this epoch so far."""

    def __init__(self, faces: FaceSet, rng: np.random.Generator) -> None:
        self.rng = rng
        self.people = len(faces.person_ids)
        self.pairs = faces.twin_pairs  # (K, 2)
        self.family = np.zeros(self.people, dtype=np.int64)  # (P,)
        self.family[faces.person] = faces.family
        self.left: list[NDArray[np.int64]] = [rng.permutation(rows) for rows in _positions(faces.person, self.people)]
        self.owned = np.array([len(rows) for rows in self.left])  # (P,)
        self.seen = np.zeros(self.people)  # (P,) images drawn, repeats included
        self.images = [rows.copy() for rows in self.left]

    def batch_of_people(self, number: int, twin_share: float) -> list[int]:
        pairs = int(np.floor(twin_share * number / 2 + self.rng.random()))
        chosen = self._twins(min(pairs, number // 2))
        chosen += self._singles(chosen, number - len(chosen))
        return chosen

    def images_of(self, person: int, number: int) -> NDArray[np.int64]:
        self.seen[person] += number
        if self.owned[person] <= number:
            return np.resize(self.rng.permutation(self.images[person]), number)
        rows = self.left[person]
        if len(rows) < number:  # the rest of the old order first, then a new one, no image twice in the batch
            fresh = self.rng.permutation(self.images[person])
            rows = np.concatenate([rows, fresh[~np.isin(fresh, rows)], fresh[np.isin(fresh, rows)]])
        self.left[person] = rows[number:]
        return rows[:number]

    def _twins(self, number: int) -> list[int]:
        """Give up to `number` pairs, one a family."""
        if not number or not len(self.pairs):
            return []
        progress = (self.seen[self.pairs] / self.owned[self.pairs]).mean(axis=1)
        chosen: list[int] = []
        families: set[int] = set()
        for first, second in self.pairs[self._order(progress)].tolist():
            if self.family[first] not in families:
                families.add(int(self.family[first]))
                chosen += [first, second]
            if len(chosen) == 2 * number:
                break
        return chosen

    def _singles(self, chosen: list[int], number: int) -> list[int]:
        """Give `number` more people; relatives of those in the batch only where nobody else is left."""
        families = {int(self.family[person]) for person in chosen}
        found: list[int] = []
        relatives: list[int] = []
        # Of equals those whose relatives are unseen too: twins left for the last batch could not come apart.
        by_family = np.bincount(self.family, self.seen) / np.bincount(self.family, self.owned)
        for person in self._order(self.seen / self.owned, by_family[self.family]).tolist():
            if len(found) == number:
                break
            if self.family[person] not in families:
                families.add(int(self.family[person]))
                found.append(person)
            elif person not in chosen:
                relatives.append(person)
        return (found + relatives)[:number]

    def _order(self, *progress: NDArray[np.float64]) -> NDArray[np.int64]:
        """Sort by progress, ties by the next progress, and at last at random."""
        return np.lexsort((self.rng.random(len(progress[0])), *reversed(progress)))


def _positions(person: NDArray[np.int64], people: int) -> list[NDArray[np.int64]]:
    order = np.argsort(person, kind="stable")
    return np.split(order, np.cumsum(np.bincount(person, minlength=people))[:-1])
