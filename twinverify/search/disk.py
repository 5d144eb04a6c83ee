"""Predicts how much of the disk a sweep will take at most, before it starts."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from twinverify.config import with_values
from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue
from twinverify.search.checkpoint_size import checkpoint_size
from twinverify.search.domains import Choice, Domain
from twinverify.search.plan import SweepPlan
from twinverify.search.space import Space
from twinverify.settings import Config
from twinverify.training.names import CHECKPOINTS
from twinverify.verification.by_family import MOST_FAMILIES

#: Random points of the space to start the search for its largest model from.
_POINTS: Final = 50
#: Beginnings of the settings that a checkpoint's size depends on.
_DECIDING: Final = (
    *("model.backbone", "model.image_size", "model.patch_size", "model.width", "model.depth", "model.embedding_width"),
    *("model.frozen_blocks", "model.glca.blocks", "model.pwca.blocks"),
    *("loss.identity.head", "loss.identity.weight", "loss.pair.", "loss.branches.", "train.optimizer", "train.ema"),
)
#: An epoch's line in the journal (900 B), in the trial's metrics (750 B) and its log (600 B); its events (700 B).
_REPORT: Final = 3_500
#: A trial's configuration (2.3 kB), the line of its draw, its packages, maybe a traceback, each in blocks of 4 KiB; its
#: two pictures (25 and up to 200 kB).
_TRIAL: Final = 256 * 2**10
#: The model's graph, twice, with `tensorboard=true`.
_GRAPH: Final = 640 * 2**10
#: Of kept scores, compressed: a same-person or twin pair, and a pair of families at some 350 thresholds.
_PAIR: Final = 4
_TWO_FAMILIES: Final = 120

Values = dict[str, Any]


@dataclass(frozen=True)
class DiskNeed:
    """What a sweep takes of the disk, in bytes.

    Attributes:
        checkpoints: of the checkpoints, at most at one time.
        records: of journal, metrics, scores and configurations, at most.
        taken: of the checkpoints, what is there already.
        free: what the disk has left.
        folder: the sweep's.
        running: how many trials run at once.
        kept: of how many ended trials the checkpoints stay, at most.
    """

    checkpoints: int
    records: int
    taken: int
    free: int
    folder: Path
    running: int
    kept: int

    @property
    def is_enough(self) -> bool:
        """Whether what is free is enough for what is still to come."""
        return self.checkpoints + self.records - self.taken <= self.free

    def __str__(self) -> str:
        """Tell it in one line."""
        best = "the best one kept" if self.kept == 1 else f"the best {self.kept} kept"
        there = f", {in_units(self.taken)} of it there already" if self.taken else ""
        need = f"Disk: at most {in_units(self.checkpoints + self.records)} ({self.running} running, {best}){there}"
        if self.is_enough:
            return f"{need}; {in_units(self.free)} free in {self.folder}"
        return (
            f"{need}, but only {in_units(self.free)} free in {self.folder}: the sweep may stop for want of room; set"
            f" keep=N lower, or output=FOLDER elsewhere"
        )


def predict(plan: SweepPlan) -> DiskNeed:
    """Give what a sweep needs at most, by the largest model that its space can draw."""
    trials = plan.options.trials
    running = max(1, min(plan.resources.slots, trials))
    kept = min(plan.options.keep, max(1, trials - running))
    pair = largest_checkpoints(plan.space, plan.config, len(plan.split.train.people))
    # A running trial has last, previous and best, and at times a new one of these beside them: of the last state not
    # before the previous one has gone, so two of each are the most.
    found = (path for name in CHECKPOINTS for path in plan.folder.glob(f"*/{name}"))
    return DiskNeed(
        checkpoints=(2 * running + kept) * pair,
        records=trials
        * (
            _TRIAL
            + _GRAPH * plan.options.tensorboard
            + _REPORT * plan.config.train.epochs
            + _scores(plan.split.validation)
        ),
        taken=sum(map(_size, found)),
        free=shutil.disk_usage(_existing(plan.folder)).free,
        folder=plan.folder,
        running=running,
        kept=kept,
    )


def _scores(validation: Catalogue) -> int:
    """Give the bytes of the kept scores of one evaluation, or somewhat more."""
    images = {person.id: len(person.images) for person in validation.people}
    pairs = sum(number * (number - 1) // 2 for number in images.values())
    pairs += sum(images[first] * images[second] for first, second in validation.twin_pairs)
    families = min(MOST_FAMILIES, len(set(validation.families.values())))
    return _PAIR * pairs + _TWO_FAMILIES * families * (families + 1) // 2


def largest_checkpoints(space: Space, base: Config, identities: int) -> int:
    """Give the bytes of last and best checkpoint of the largest model that a space can draw.

    From the largest of some random points on, each setting is tried at each of its values while any makes it larger: a
    combination that one in a thousand points has is not missed.
    """

    def size(values: Values) -> int:
        try:
            return sum(checkpoint_size(with_values(base, values), identities))
        except UserError:  # a combination that no trial will have
            return 0

    if space.rows:
        return max(map(size, _different([{}, *space.rows])))
    best = max(_points(space), key=size)
    largest, before = max(size(best), size({})), -1
    while largest > before:
        before = largest
        for key, value in _moves(space):
            near = space.walk(_picker(best | {key: value}))
            if (found := size(near)) > largest:
                best, largest = near, found
    return largest


def in_units(size: float) -> str:
    """Give a number of bytes as `912 B`, `4.1 MiB` or `48 GiB`."""
    units = ["TiB", "GiB", "MiB", "KiB", "B"]
    while size >= 1023.5 and len(units) > 1:
        size /= 1024
        units.pop()
    return f"{size:.1f} {units[-1]}" if size < 9.95 and units[-1] != "B" else f"{size:.0f} {units[-1]}"


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):  # a worker of a sweep that runs has just renamed it
        return path.stat().st_size
    return 0


def _points(space: Space) -> Iterator[Values]:
    """Give the default and random points, the same each time."""
    yield space.default_values()
    random = Random(0)
    for _ in range(_POINTS):
        yield space.walk(lambda key, name, domain: domain.at(random.random()))


def _different(rows: Sequence[Mapping[str, Any]]) -> list[Values]:
    """Give what counts of some configurations, each once: they are repeated with many seeds."""
    counting = [{key: value for key, value in row.items() if key.startswith(_DECIDING)} for row in rows]
    return list({repr(sorted(row.items())): row for row in counting}.values())


def _moves(space: Space) -> Iterator[tuple[str, Any]]:
    """Give the settings that count, and those that decide whether these are drawn, each with its values."""
    counts = {entry.key for entry in space.entries if entry.key.startswith(_DECIDING)}
    decide = {key for entry in space.entries if entry.key in counts for key in entry.depends_on}
    for entry in space.entries:
        if entry.key in counts | decide:
            for option in entry.alternatives:
                for value in _candidates(option.domain):
                    yield entry.key, value


def _candidates(domain: Domain) -> tuple[Any, ...]:
    if isinstance(domain, Choice):
        return domain.choices
    return (domain.held(domain.low), domain.held(domain.high)) if domain.whole else ()


def _picker(wanted: Values) -> Callable[[str, str, Domain], Any]:
    def pick(key: str, name: str, domain: Domain) -> Any:
        return wanted[key] if key in wanted and wanted[key] in domain else domain.at(0.5)

    return pick


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())
