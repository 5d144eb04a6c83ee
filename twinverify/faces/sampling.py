"""Batches of people x images, with twins side by side."""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush

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
    people = min(settings.people, len(faces.person_ids))
    for _ in range(max(1, round(len(faces) / (people * settings.images)))):
        chosen = draw.batch_of_people(people, settings.twin_share)
        yield np.concatenate([draw.images_of(person, settings.images) for person in chosen])


class _Draw:
    """What has been drawn in this epoch so far."""

    def __init__(self, faces: FaceSet, rng: np.random.Generator) -> None:
        self.rng = rng
        self.images = _positions(faces.person, len(faces.person_ids))
        self.left = [rng.permutation(rows) for rows in self.images]
        # Lists, because people are looked at one by one: numpy is slow at that.
        self.family = [int(faces.family[rows[0]]) for rows in self.images]  # (P,)
        self.pairs: list[list[int]] = faces.twin_pairs.tolist()  # (K, 2)
        self.owned = [len(rows) for rows in self.images]  # (P,)
        self.seen = [0] * len(self.images)  # (P,) images drawn, repeats included
        self.owned_by_family = np.bincount(faces.family).tolist()  # (F,)
        self.seen_by_family = [0] * len(self.owned_by_family)  # (F,)
        self.queue = _Queue(len(self.images), self._progress, rng)
        self.queue_of_pairs = _Queue(len(self.pairs), self._progress_of_pair, rng)

    def batch_of_people(self, number: int, twin_share: float) -> list[int]:
        pairs = int(np.floor(twin_share * number / 2 + self.rng.random()))
        chosen = self._twins(min(pairs, number // 2))
        chosen += self._singles(chosen, number - len(chosen))
        return chosen

    def images_of(self, person: int, number: int) -> NDArray[np.int64]:
        self.seen[person] += number
        self.seen_by_family[self.family[person]] += number
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
        chosen: list[int] = []
        families: set[int] = set()
        for pair in self.queue_of_pairs.least_first():
            if len(chosen) == 2 * number:
                break
            first, second = self.pairs[pair]
            if self.family[first] not in families:
                families.add(self.family[first])
                chosen += [first, second]
        return chosen

    def _singles(self, chosen: list[int], number: int) -> list[int]:
        """Give `number` more people; relatives of those in the batch only where nobody else is left."""
        families = {self.family[person] for person in chosen}
        found: list[int] = []
        relatives: list[int] = []
        for person in self.queue.least_first():
            if len(found) == number:
                break
            if self.family[person] not in families:
                families.add(self.family[person])
                found.append(person)
            elif person not in chosen:
                relatives.append(person)
        return (found + relatives)[:number]

    def _progress(self, person: int) -> tuple[float, float]:
        # Of equals those whose relatives are unseen too: twins left for the last batch could not come apart.
        family = self.family[person]
        return self.seen[person] / self.owned[person], self.seen_by_family[family] / self.owned_by_family[family]

    def _progress_of_pair(self, pair: int) -> tuple[float]:
        return (sum(self.seen[person] / self.owned[person] for person in self.pairs[pair]),)


class _Queue:
    """The numbers below `size`, those with the least progress first, ties at random.

    Progress only grows, so a number that has made some is put where it belongs now when its old turn comes: a batch
    looks at about as many numbers as it draws and their relatives, however many there are.
    """

    def __init__(self, size: int, progress: Callable[[int], tuple[float, ...]], rng: np.random.Generator) -> None:
        self.progress, self.rng = progress, rng
        self.heap: list[tuple[tuple[float, ...], float, int]] = []  # progress when it was put in, lot, number
        self.outside = list(range(size))

    def least_first(self) -> Iterator[int]:
        """Give the numbers, least first; all that were given are back in the queue at the next call."""
        for number in self.outside:
            self._put(number)
        self.outside = []
        while self.heap:
            progress, _, number = heappop(self.heap)
            if progress == self.progress(number):
                self.outside.append(number)
                yield number
            else:
                self._put(number)

    def _put(self, number: int) -> None:
        heappush(self.heap, (self.progress(number), self.rng.random(), number))


def _positions(person: NDArray[np.int64], people: int) -> list[NDArray[np.int64]]:
    order = np.argsort(person, kind="stable")
    return np.split(order, np.cumsum(np.bincount(person, minlength=people))[:-1])
