"""Claim: a validation of 100,000 images of 10,000 people needs no more memory than its embeddings and one block.

    python benchmarks/scoring.py [images=20000] [people=2000] [width=192] [pairs=3] [save=true]
    python benchmarks/scoring.py images=100000 people=10000 [save=true]        minutes

Ours is `pair_scores` and `verification_metrics`, as each epoch's validation calls them. The peer is what one writes
first: the whole score matrix, masks for the kinds of pairs, scikit-learn's `roc_curve` over all of them. It grows with
the square of the images, so the two are compared at `peer_images` images (five a person); then ours is measured at the
size asked for. Embeddings are drawn: a person's images around a point of their own, twins' points half shared. The AUCs
of the two sides must agree.

How to read it: seconds of scores and metrics, median over the rounds (smallest to largest), each side in turn in a
process of its own; at the full size once. peak MiB: by how much that process grows at most from before the embeddings
were drawn (Linux). allowed: the embeddings and one block of the score matrix.
"""

import inspect
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from measuring import Spread, alternate, lines_up, machine, publish, ratios
from numpy.typing import NDArray
from pydantic import Field
from sklearn.metrics import auc, roc_curve

from twinverify.arguments import parse, run
from twinverify.settings import Settings
from twinverify.verification.pairs import PairScores, pair_scores
from twinverify.verification.protocols import verification_metrics

PEAK_RESET, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
OURS, PLAIN = "twinverify", "whole matrix, roc_curve"
BLOCK = inspect.signature(pair_scores).parameters["block"].default


class Options(Settings):
    """What to measure."""

    images: int = Field(20_000, ge=100, description="images of the validation")
    people: int = Field(2_000, ge=10, multiple_of=2, description="people, in pairs of twins")
    width: int = Field(192, ge=2, description="numbers of an embedding")
    peer_images: int = Field(4_000, ge=100, multiple_of=10, description="images of the comparison, five a person")
    pairs: int = Field(3, ge=1, description="rounds of the comparison, each side once in each")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass(frozen=True)
class Found:
    """What one process measured."""

    seconds: float
    peak: float  # MiB
    auc: float  # of the twins plus that of unrelated people


def draw(images: int, people: int, width: int) -> NDArray[np.float32]:
    """Draw embeddings, without a second copy of them; image i shows person i modulo the people."""
    rng = np.random.default_rng(0)
    point = rng.standard_normal((people, width), np.float32)
    point[1::2] = (point[1::2] + point[::2]) / 2
    embeddings = rng.standard_normal((images, width), np.float32)
    for start in range(0, images, people):
        embeddings[start : start + people] += point[: images - start]
    return embeddings


def ours(images: int, people: int, width: int) -> Callable[[], float]:
    person = np.arange(images) % people
    held = [draw(images, people, width)]

    def scores() -> PairScores:
        return pair_scores(held.pop(), person, person // 2, np.arange(people).reshape(-1, 2), np.arange(images))

    def score() -> float:
        metrics = verification_metrics(scores())
        return metrics["twin_auc"] + metrics["general_auc"]

    return score


def plain(images: int, people: int, width: int) -> Callable[[], float]:
    person = np.arange(images) % people
    embeddings = draw(images, people, width)

    def score() -> float:
        unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
        scores = unit @ unit.T
        once = np.triu(np.ones(scores.shape, bool), 1)
        is_same = person[:, None] == person
        is_family = person[:, None] // 2 == person // 2
        same = scores[once & is_same]
        return sum(_auc(same, scores[once & other]) for other in (is_family & ~is_same, ~is_family))

    return score


def _auc(positive: NDArray[np.float32], negative: NDArray[np.float32]) -> float:
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    fpr, tpr, _ = roc_curve(labels, np.concatenate([positive, negative]))
    return float(auc(fpr, tpr))


SIDES = {OURS: ours, PLAIN: plain}


def measure(side: str, images: int, people: int, width: int) -> Found:
    """Measure a side in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure_here, (side, images, people, width))


def _measure_here(side: str, images: int, people: int, width: int) -> Found:
    SIDES[side](100, 20, width)()  # what NumPy and scikit-learn load at the first call belongs to nobody
    before = psutil.Process().memory_info().rss / 2**20
    score = SIDES[side](images, people, width)
    if PEAK_RESET.exists():
        PEAK_RESET.write_text("5")
    started = time.perf_counter()
    areas = score()
    seconds = time.perf_counter() - started
    if not PEAK_RESET.exists():
        return Found(seconds, float("nan"), areas)
    peak = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return Found(seconds, int(peak.split()[1]) / 2**10 - before, areas)


def main(argv: Sequence[str]) -> int:
    options, _ = parse("scoring", Options, argv, summary=__doc__ or "", examples=["pairs=5"], configurable=False)
    few, width = options.peer_images, options.width
    found: dict[str, list[Found]] = {side: [] for side in SIDES}

    def once(side: str) -> float:
        found[side].append(measure(side, few, few // 5, width))
        return found[side][-1].seconds

    seconds = alternate({side: lambda s=side: once(s) for side in SIDES}, options.pairs)
    areas = {side: found[side][0].auc for side in SIDES}
    if abs(areas[OURS] - areas[PLAIN]) > 1e-5:
        raise RuntimeError(f"the two sides disagree: {areas}")
    rows = [["scoring a validation", "images", "people", "s", "times ours", "peak MiB", "allowed"]]
    for side in SIDES:
        to_ours = ratios(seconds[side], seconds[OURS]).show(".1f")
        peak = Spread.of([one.peak for one in found[side]]).show(".0f")
        rows.append([side, f"{few:,}", f"{few // 5:,}", Spread.of(seconds[side]).show(), to_ours, peak])
        rows[-1].append(_allowed(few, width))
    large = measure(OURS, options.images, options.people, width)
    size = [f"{options.images:,}", f"{options.people:,}"]
    rows.append([OURS, *size, f"{large.seconds:.1f}", "-", f"{large.peak:.0f}", _allowed(options.images, width)])
    title = f"embeddings of width {width}, {options.pairs} rounds; a block is {BLOCK:,} x {BLOCK:,} scores"
    publish("scoring", [title, machine("numpy", "scikit-learn"), "", *lines_up(rows)], save=options.save)
    return 0


def _allowed(images: int, width: int) -> str:
    return f"{(images * width + BLOCK**2) * 4 / 2**20:.0f}"


if __name__ == "__main__":
    run(main)
