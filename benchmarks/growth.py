"""Claim: catalogue, split, cache and batches grow no worse than linearly with images and people; so does the memory of
an evaluation, whose time alone grows with the pairs.

    python benchmarks/growth.py [most=100000] [scored=10000] [save=true]     some 8 minutes

Image files are noise of 8 x 8 pixels, all of one size, ten a person, two people a family: the reading of pixels costs
next to nothing, what is left is what grows. Each number of images is measured in a process of its own, part by part:

    catalogue          read_catalogue: folders, files, the pairs file, byte-identical images
    split              split_families, its check for leaks included
    cache, made        open_cache: every file's digest and pixels
    cache, opened      the same again, as each later sweep starts
    batches            the positions of one epoch's batches
    evaluation         pair_scores, verification_metrics of embeddings of width 192 (up to `scored` images; `scoring.py`
                       measures 100,000)

A last block holds the images still, and multiplies the people.

How to read it: seconds, and by how much the process grows at most in that part (Linux). exponent: the slope of the
seconds on log-log axes, by least squares over the sizes from 1,000 images on; 1 is linear. Smaller ones pay constants.
"""  # noqa: D205

import json
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from measuring import lines_up, machine, publish
from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.faces.cache import open_cache
from twinverify.faces.catalogue import read_catalogue
from twinverify.faces.faceset import face_set
from twinverify.faces.sampling import epoch_batches
from twinverify.faces.splits import split_families
from twinverify.settings import BatchSettings, Settings, SplitSettings
from twinverify.verification.pairs import pair_scores
from twinverify.verification.protocols import verification_metrics

PEAK_RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
EVALUATION = "evaluation"
SIDE, PER_PERSON, WIDTH = 8, 10, 192
#: From here on the slope is fitted.
LEAST_FITTED = 1_000

Found = dict[str, tuple[float, float]]  # part -> seconds, MiB


class Options(Settings):
    """What to measure."""

    most: int = Field(100_000, ge=10_000, description="images of the largest data set")
    scored: int = Field(10_000, ge=1_000, description="images of the largest evaluation")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


def make_files(root: Path, images: int, people: int) -> None:
    """Write PPM files of noise, no two alike, and the pairs of twins."""
    rng = np.random.default_rng(0)
    names = [f"p{number:06d}" for number in range(people)]
    for name in names:
        (root / name).mkdir(parents=True)
    for number in range(images):
        content = b"P6 %d %d 255\n" % (SIDE, SIDE) + rng.bytes(3 * SIDE * SIDE)
        (root / names[number % people] / f"{number // people:06d}.ppm").write_bytes(content)
    (root / "twin_pairs.json").write_text(json.dumps(list(zip(names[::2], names[1::2], strict=True))))


def measure(images: int, people: int, scored: int) -> Found:
    """Measure all parts at one size, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder) / "faces", images, people)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            return pool.apply(_measure_here, (Path(folder), people, images if images <= scored else 0))


def _measure_here(folder: Path, people: int, scored: int) -> Found:
    found: Found = {}

    def part(name: str, call: Callable[[], Any]) -> Any:
        before = psutil.Process().memory_info().rss / 2**20
        if PEAK_RESET.exists():
            PEAK_RESET.write_text("5")
        started = time.perf_counter()
        given = call()
        found[name] = time.perf_counter() - started, _peak() - before
        return given

    catalogue = part("catalogue", lambda: read_catalogue(folder / "faces"))
    part("split", lambda: split_families(catalogue, SplitSettings()))
    part("cache, made", lambda: open_cache(catalogue, SIDE, folder / "cache"))
    cache = part("cache, opened", lambda: open_cache(catalogue, SIDE, folder / "cache"))
    faces = face_set(catalogue, cache)
    part("batches", lambda: list(epoch_batches(faces, BatchSettings(), 0, 1)))
    if scored:
        _evaluate(20, 200)  # what scikit-learn loads at the first call belongs to nobody
        part(EVALUATION, lambda: _evaluate(people, scored))
    return found


def _evaluate(people: int, images: int) -> None:
    person = np.arange(images) % people
    embeddings = np.random.default_rng(0).standard_normal((images, WIDTH), np.float32)
    twins = np.arange(people).reshape(-1, 2)
    verification_metrics(pair_scores(embeddings, person, person // 2, twins, np.arange(images)))


def _peak() -> float:
    if not STATUS.exists():
        return math.nan
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 2**10


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """Give the slope of seconds over sizes on log-log axes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def table(title: str, found: dict[int, Found], least: int) -> list[str]:
    sizes = list(found)
    heads = [f"{size:,}: s, MiB" for size in sizes]
    rows = [[title, *heads, "exponent"]]
    for name in found[sizes[0]]:
        told = {size: parts[name] for size, parts in found.items() if name in parts}
        cells = [f"{told[size][0]:.3f}, {told[size][1]:.0f}" if size in told else "-" for size in sizes]
        fitted = [size for size in told if size >= least]
        slope = exponent(fitted, [told[size][0] for size in fitted]) if len(fitted) > 1 else math.nan
        rows.append([name, *cells, f"{slope:.2f}"])
    return lines_up(rows)


def main(argv: Sequence[str]) -> int:
    options, _ = parse("growth", Options, argv, summary=__doc__ or "", examples=["most=10000"], configurable=False)
    sizes = [10**power for power in range(2, 9) if 10**power < options.most] + [options.most]
    growing = {size: measure(size, size // PER_PERSON, options.scored) for size in sizes}
    held = 10_000
    people = {count: measure(held, count, options.scored) for count in (50, 500, 5_000)}
    lines = [
        f"files of {SIDE} x {SIDE} pixels, {PER_PERSON} a person; evaluation of embeddings of width {WIDTH}",
        machine("numpy", "pillow"),
        "",
        *table("images", growing, LEAST_FITTED),
        "",
        *table(f"people, {held:,} images", people, 1),
    ]
    publish("growth", lines, save=options.save)
    return 0


if __name__ == "__main__":
    run(main)
