"""Scores pairs of validation images with a trial's kept model, and draws the hardest with what it looked at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from twinverify.config import with_values
from twinverify.faces.load import check_data
from twinverify.model.dcal import Dcal
from twinverify.model.glca import local_count
from twinverify.reports.page.overlay import heat_map, photograph
from twinverify.reports.page.sample import Sample, batches, take_sample
from twinverify.reports.page.told import Face, Pair, PairGroup, Sweep
from twinverify.search.record import Trial
from twinverify.training.augment import to_unit_range
from twinverify.training.checkpoint import read_model

Floats = NDArray[np.float32]

_SHOWN: Final = 4
_BATCH: Final = 16


class FoundPairs(NamedTuple):
    """The hardest pairs.

    Attributes:
        groups: those of different people, and those of one; without those of which there are none.
        selection: what GLCA chose its patches by; `none` without GLCA.
        outlined: how many patches are outlined: those that it chose, where it chose by the map.
        looked_at: how many images were scored.
        images: how many there are.
    """

    groups: tuple[PairGroup, ...]
    selection: str
    outlined: int
    looked_at: int
    images: int


def find_pairs(sweep: Sweep, trial: Trial, threshold: float | None, *, shows_faces: bool) -> FoundPairs:
    """Find the pairs that a trial's model gets most wrong, on the CPU.

    Args:
        sweep: the sweep.
        trial: whose checkpoint was kept.
        threshold: from which score on two faces are taken for one person; None = not known.
        shows_faces: whether the photographs are drawn too.

    Raises:
        UserError: the model or the images cannot be read.
    """
    config = with_values(sweep.stored.config, trial.values, where=f"trial {trial.number}")
    model = read_model(sweep.checkpoint(trial))
    split = check_data(sweep.options.data, config, sweep.cache, sweep.options.pairs)
    sample = take_sample(split.validation, config)
    glca = model.settings.glca
    selection = glca.selection if glca.blocks else "none"
    patches = int(model.backbone.patch_embed.num_patches)
    outlined = local_count(glca, patches) if selection == "rollout" else 0
    pairs = _Pairs(sample, model, _embed(model, sample), threshold, outlined, shows_faces)
    groups = tuple(group for group in (pairs.impostors(), pairs.strangers()) if group.pairs)
    return FoundPairs(groups, selection, outlined, len(sample.pixels), sample.whole)


def _embed(model: Dcal, sample: Sample) -> Floats:
    """Give one embedding (B, E) an image, of length 1."""
    with torch.inference_mode():
        parts = [
            model.embed(to_unit_range(torch.from_numpy(sample.pixels[part]))).float().numpy()
            for part in batches(len(sample.pixels), _BATCH)
        ]
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Pairs:
    """All pairs of a sample."""

    sample: Sample
    model: Dcal
    embeddings: Floats
    threshold: float | None
    outlined: int
    shows_faces: bool

    def impostors(self) -> PairGroup:
        """Give the pairs of different people that are most alike: twins, or anybody where there are no twins."""
        person, family = self.sample.person, np.array(self.sample.family)
        if self.sample.twins:
            are_twins = np.zeros((len(family), len(family)), bool)
            for first, second in self.sample.twins:
                are_twins[first, second] = are_twins[second, first] = True
            wanted, title = are_twins[person][:, person], "Twins, most alike to the model"
        else:
            of = family[person]
            wanted, title = of[:, None] != of[None, :], "Unrelated people, most alike to the model"
        chosen = self._pick(wanted, lambda a, b: {int(family[person[a]]), int(family[person[b]])}, largest=True)
        return PairGroup(title, tuple(self._pair(a, b, score) for a, b, score in chosen))

    def strangers(self) -> PairGroup:
        """Give the pairs of images of one person that are least alike."""
        person = self.sample.person
        wanted = person[:, None] == person[None, :]
        chosen = self._pick(wanted, lambda a, b: {self.sample.family[person[a]]}, largest=False)
        return PairGroup("One person, least alike to the model", tuple(self._pair(*each) for each in chosen))

    def _pick(
        self, wanted: NDArray[np.bool_], families: Callable[[int, int], set[int]], *, largest: bool
    ) -> Iterator[tuple[int, int, float]]:
        """Give the most extreme pairs, each of other families: four times the same twins would teach nothing."""
        content = self.sample.content
        first, second = np.nonzero(np.triu(wanted & (content[:, None] != content[None, :]), 1))
        scores = np.einsum("pe,pe->p", self.embeddings[first], self.embeddings[second])
        seen: set[int] = set()
        number = 0
        for place in np.argsort(-scores if largest else scores, kind="stable").tolist():
            a, b = int(first[place]), int(second[place])
            if number < _SHOWN and not seen & families(a, b):
                seen |= families(a, b)
                number += 1
                yield a, b, float(scores[place])

    def _pair(self, a: int, b: int, score: float) -> Pair:
        same = self.sample.person[a] == self.sample.person[b]
        caption = f"score {score:.3f}"
        if self.threshold is not None:
            accepted = score >= self.threshold
            verdict = "rightly" if accepted == same else "wrongly"
            told = "taken for one person" if accepted else "told apart"
            caption += f", {verdict} {told} (threshold {self.threshold:.3f})"
        return Pair(caption, (self._face(a), self._face(b)))

    def _face(self, place: int) -> Face:
        person = int(self.sample.person[place])
        name = f"family {self.sample.family[person]}, {self.sample.letter[person]}"
        pixels = self.sample.pixels[place]
        look = self.model.look(to_unit_range(torch.from_numpy(pixels[None])))[0].numpy()
        drawn = heat_map(look, self.outlined, pixels if self.shows_faces else None)
        pictures = (photograph(pixels), drawn) if self.shows_faces else (drawn,)
        return Face(name, pictures, f"{name}: {'face and ' if self.shows_faces else ''}attention map")
