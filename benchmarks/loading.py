"""Claim: loading is never the bottleneck: images come at least 3 x as fast as the fastest trial consumes them.

    python benchmarks/loading.py [size=224] [images=200] [pairs=5] [threads=1] [workers=0] [save=true]

Ours is what a training epoch does before each step: positions drawn, rows copied out of the pixel cache, augmented as
one batch of tensors. The peer is what one writes first: a torchvision `ImageFolder` that decodes each file in each
epoch, transforms it image by image (resize, rotation, crop, jitter) and a `DataLoader` that stacks the batches; its
rotation and crop are as ours, as is its jitter. Both read the same JPEG files, drawn by the built-in synthetic twins at
112 px and enlarged to 250 x 300 pixels. What they feed is the fastest trial of the search spaces at this size: the
smallest backbone of `backbone.yaml`, one training step of it without GLCA and PWCA.

The second table: a validation of 1,000 images, embedded and scored in all pairs, as a share of a training epoch of as
many, with the preset tiny: the model's part of it, and the pairs'.

How to read it: images a second, median over the rounds (smallest to largest) in alternation. decodes: how often an
image file was decoded over all rounds, and, in brackets, for each image: ours is counted while the cache is made too.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Spread, alternate, lines_up, machine, publish, ratios
from PIL import Image, ImageFile
from pydantic import Field
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from twinverify.arguments import parse, run
from twinverify.config import load_config, with_values
from twinverify.faces.cache import open_cache
from twinverify.faces.catalogue import read_catalogue
from twinverify.faces.faceset import FaceSet, face_set
from twinverify.faces.sampling import epoch_batches
from twinverify.faces.synthetic import draw_twins
from twinverify.settings import Config, Settings
from twinverify.training.augment import augment
from twinverify.training.epoch import train_epoch
from twinverify.training.evaluate import embed_faces
from twinverify.training.learner import Learner
from twinverify.training.loading import load_images
from twinverify.training.randomness import generator
from twinverify.verification.pairs import pair_scores
from twinverify.verification.protocols import verification_metrics

OURS, PLAIN, TRIAL = "twinverify", "ImageFolder + DataLoader", "the fastest trial"
SMALLEST = "deit_tiny_patch16_224"
PER_PERSON = 10
#: Of the validation.
FACES = 1_000


class Options(Settings):
    """What to measure."""

    size: int = Field(224, ge=32, description="pixels of a side")
    images: int = Field(200, ge=40, multiple_of=20, description="image files, ten a person")
    pairs: int = Field(5, ge=1, description="rounds, each side once in each")
    threads: int | None = Field(None, ge=1, description="computing threads; default: torch's")
    workers: int = Field(0, ge=0, description="worker processes of the peer's DataLoader")
    save: bool = Field(False, description="keep the tables in benchmarks/figures/")


class Decodes:
    """Counts images that Pillow decodes in this process."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count while the block runs."""
        load = ImageFile.ImageFile.load

        def counted(image: Any) -> Any:
            self.count += bool(image.tile)  # an image that is decoded already has no tile left
            return load(image)

        ImageFile.ImageFile.load = counted  # type: ignore[method-assign]
        try:
            yield
        finally:
            ImageFile.ImageFile.load = load  # type: ignore[method-assign]


def draw_files(root: Path, images: int) -> None:
    """Draw JPEG files of people, ten each, as a camera's crops: 250 x 300 pixels."""
    settings = load_config("tiny").synthetic.model_copy(update={"images": PER_PERSON})
    for family in range(images // (2 * PER_PERSON)):
        for letter, pixels in zip("ab", draw_twins(settings, family, 112), strict=True):
            folder = root / f"f{family:03d}{letter}"
            folder.mkdir(parents=True)
            for number, image in enumerate(pixels):
                Image.fromarray(image).resize((250, 300)).save(folder / f"{number}.jpg", quality=92)


def ours(config: Config, faces: FaceSet) -> Callable[[], float]:
    """Give an epoch of ours: images a second."""
    epoch = iter(range(1, 10_000))

    def load() -> float:
        number, count, started = next(epoch), 0, time.perf_counter()
        draws = generator(config.seed, number, "augment")
        for positions in epoch_batches(faces, config.batch, config.seed, number):
            batch = augment(load_images(faces, positions, torch.device("cpu")), config.augment, draws)
            count += len(batch)
        return count / (time.perf_counter() - started)

    return load


def plain(config: Config, root: Path, size: int, workers: int) -> Callable[[], float]:
    """Give an epoch of the peer: images a second."""
    look = config.augment
    transform = v2.Compose(
        [
            v2.Resize((size, size)),
            v2.RandomRotation(look.rotation),
            v2.RandomResizedCrop(size, scale=(look.crop_scale, 1.0), ratio=(1.0, 1.0)),
            v2.ColorJitter(look.jitter, look.jitter, look.jitter),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    batch = config.batch.people * config.batch.images
    loader = DataLoader(ImageFolder(str(root), transform), batch_size=batch, shuffle=True, num_workers=workers)

    def load() -> float:
        started = time.perf_counter()
        count = sum(len(images) for images, _ in loader)
        return count / (time.perf_counter() - started)

    return load


def trial(config: Config, faces: FaceSet) -> Callable[[], float]:
    """Give an epoch of training, loading included: images a second."""
    learner = Learner(config, len(faces.person_ids))
    return lambda: train_epoch(learner, faces, 1)["train/images_per_second"]


def compare(options: Options, root: Path, cache: Path) -> list[list[str]]:
    """Measure the loaders and what they feed."""
    config = with_values(
        load_config("small"),
        {"model.backbone": SMALLEST, "model.image_size": options.size, "model.glca.blocks": 0, "model.pwca.blocks": 0}
        | {"batch.people": min(16, options.images // PER_PERSON)},
    )
    draw_files(root, options.images)
    decoded = {OURS: Decodes(), PLAIN: Decodes()}
    catalogue = read_catalogue(root)
    with decoded[OURS].counting():
        faces = face_set(catalogue, open_cache(catalogue, options.size, cache))
    sides = {OURS: ours(config, faces), PLAIN: plain(config, root, options.size, options.workers)}

    def once(side: str) -> float:
        with decoded[side].counting():
            return sides[side]()

    # A trial takes most of the time and is steady: twice will do.
    found = alternate({side: lambda s=side: once(s) for side in sides}, options.pairs)
    eats = [trial(config, faces)() for _ in range(2)]
    if decoded[OURS].count != options.images:
        raise RuntimeError(f"{options.images} images were decoded {decoded[OURS].count} times")
    rows = [["training images a second", "images/s", "to the trial", "ours to it", "decodes (an image)"]]
    for side, speeds in found.items():
        count = decoded[side].count
        told = f"{count} ({count / options.images:.0f})" if side == OURS or not options.workers else "-"
        to_trial = f"{Spread.of(speeds).middle / max(eats):.1f}"
        rows.append([side, Spread.of(speeds).show(".0f"), to_trial, ratios(found[OURS], speeds).show(".1f"), told])
    rows.append([TRIAL, Spread.of(eats).show(".0f"), "1.0", f"{Spread.of(found[OURS]).middle / max(eats):.1f}", "-"])
    return rows


def share_of_validation(options: Options) -> list[list[str]]:
    """Measure a validation of 1,000 images beside a training epoch of as many, preset tiny, on drawn pixels."""
    config = load_config("tiny")
    size, people = config.model.shape().image_size, FACES // PER_PERSON
    pixels = np.random.default_rng(0).integers(0, 256, (FACES, 3, size, size), np.uint8)
    rows, person = np.arange(FACES), np.arange(FACES) // PER_PERSON
    names = tuple(f"{number:03d}" for number in range(people))
    faces = FaceSet(pixels, rows, person, person // 2, rows, np.arange(people).reshape(-1, 2), names)
    learner = Learner(config, people)

    def epoch() -> float:
        started = time.perf_counter()
        train_epoch(learner, faces, 1)
        return time.perf_counter() - started

    def embed() -> float:
        started = time.perf_counter()
        embeddings[:] = embed_faces(learner.model, faces, learner.hardware)
        return time.perf_counter() - started

    def score() -> float:
        started = time.perf_counter()
        verification_metrics(pair_scores(embeddings, person, person // 2, faces.twin_pairs, rows))
        return time.perf_counter() - started

    embeddings = embed_faces(learner.model, faces, learner.hardware)
    score()  # what scikit-learn loads at the first call belongs to nobody
    times = alternate({"training epoch": epoch, "embedding": embed, "scoring all pairs": score}, options.pairs)
    table = [[f"{FACES:,} images, preset tiny", "s", "% of the epoch"]]
    for side, seconds in times.items():
        share = [100 * part / whole for part, whole in zip(seconds, times["training epoch"], strict=True)]
        table.append([side, Spread.of(seconds).show(".3f"), Spread.of(share).show(".1f")])
    return table


def main(argv: Sequence[str]) -> int:
    options, _ = parse("loading", Options, argv, summary=__doc__ or "", examples=["size=112"], configurable=False)
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        loaders = compare(options, Path(folder) / "faces", Path(folder) / "cache")
    title = (
        f"{options.images} JPEG files of 250 x 300 pixels to {options.size} px; trial: {SMALLEST}, SA alone; "
        f"{options.pairs} rounds, {torch.get_num_threads()} threads, {options.workers} workers of the peer"
    )
    lines = [title, machine("torch", "torchvision", "pillow"), "", *lines_up(loaders)]
    publish("loading", [*lines, "", *lines_up(share_of_validation(options))], save=options.save)
    return 0


if __name__ == "__main__":
    run(main)
