"""Claim: 95 % intervals by family bootstrap cover the true EER 88 to 98 % of the time; by pair bootstrap a third.

    python benchmarks/coverage.py [simulations=400] [rounds=500] [families=[13, 20, 29]] [save=true]         minutes

`population.py` draws twin families from a population whose true EER, AUC and TARs are known. Each simulation draws so
many families (13: the synthetic twins' validation side, 20: a validation side of ND-TWINS, 29: its test side), scores
all pairs of their images, and asks for intervals three ways:

- twinverify: `estimates`, as every leaderboard and report has them;
- percentile: the 2.5 % and 97.5 % quantiles of the same drawings of families;
- pairs: the same quantiles where pairs are drawn one by one, as is often done.

The last row of each table is the paired difference of the twin EER to a second model, two points worse, whose scores of
the same images correlate with the first one's by 0.8.

How to read it: the share of simulations whose interval holds the truth, and the mean width of the interval in points.
400 simulations know a share of 95 % to 1.1 points (one sd). bias: by how much the value itself is off on average; a TAR
at a FAR of 0.01 is decided by the likest few families, and a sample of 13 has not seen those.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from measuring import lines_up, machine, publish
from numpy.typing import NDArray
from population import Population, draw
from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.settings import Settings
from twinverify.verification.intervals import METRICS, Estimate, estimates
from twinverify.verification.pairs import PairScores
from twinverify.verification.resampling import Resampling
from twinverify.verification.ties import difference

Floats = NDArray[np.float64]

DIFFERENCE, LIKENESS = "difference of twin_eer", 0.8
FIRST, SECOND = Population(), Population(twin_eer=0.17)

# Scores are sorted into so many equal shares for the pair bootstrap; drawing counts of them is drawing pairs.
BINS = 400


class Options(Settings):
    """What to simulate."""

    simulations: int = Field(400, ge=20, description="samples of the population for each number of families")
    rounds: int = Field(500, ge=100, description="drawings of each bootstrap")
    families: list[int] = Field([13, 20, 29], min_length=1, description="twin families of a sample")
    workers: int = Field(2, ge=1, description="processes")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


class Outcome(NamedTuple):
    """One interval of one simulation."""

    value: float
    low: float
    high: float


Intervals = dict[str, dict[str, Outcome]]  # metric -> way -> interval


def simulate(families: int, rounds: int, seed: int) -> Intervals:
    """Draw a sample, and give its intervals of every metric in every way."""
    rng = np.random.default_rng((families, seed))
    sample = draw(families, rng)
    scores, kept = FIRST.score(sample)
    resampling = Resampling.draw(kept, rounds, seed)
    found = estimates(kept, resampling)
    by_pairs = pair_bootstrap(scores, rounds, rng)
    intervals = {name: ways(one) | {"pairs": percentile(one.value, by_pairs[name])} for name, one in found.items()}
    _, second = SECOND.score(sample.seen_by_another(LIKENESS, rng))
    other = estimates(second, resampling, ["twin_eer"])["twin_eer"]
    paired = difference("twin_eer", other, found["twin_eer"])
    ours = {"twinverify": Outcome(paired.value, *paired.interval)} if paired.interval else {}
    drawn = other.drawn - found["twin_eer"].drawn
    return intervals | {DIFFERENCE: ours | {"percentile": percentile(paired.value, drawn)}}


def ways(one: Estimate) -> dict[str, Outcome]:
    ours = {"twinverify": Outcome(one.value, *one.interval)} if one.interval else {}
    return ours | {"percentile": percentile(one.value, one.drawn)}


def percentile(value: float, drawn: Floats) -> Outcome:
    return Outcome(value, *np.quantile(drawn[np.isfinite(drawn)], [0.025, 0.975]).tolist())


def pair_bootstrap(scores: PairScores, rounds: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Draw pairs one by one, of each kind as many as there are, and give every metric of every drawing."""
    found: dict[str, Floats] = {}
    for protocol, impostor in (("twin", scores.twin), ("general", scores.general)):
        both = [np.quantile(kind, np.linspace(0, 1, BINS)) for kind in (scores.same, impostor)]
        edges = np.unique(np.concatenate(both))[1:]
        fpr, tpr = (_accepted(kind, edges, rounds, rng) for kind in (impostor, scores.same))  # (rounds, C), rising
        for name in (name for name in METRICS if name.startswith(protocol)):
            found[name] = np.array([_metric(name)(*curve) for curve in zip(fpr, tpr, strict=True)])
    return found


def _accepted(scores: NDArray[np.float32], edges: Floats, rounds: int, rng: np.random.Generator) -> Floats:
    counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
    drawn = rng.multinomial(len(scores), counts / len(scores), size=rounds)[:, ::-1]
    return np.concatenate([np.zeros((rounds, 1)), np.cumsum(drawn, axis=1) / len(scores)], axis=1)


def _metric(name: str) -> Callable[[Floats, Floats], float]:
    if name.endswith("_auc"):
        return lambda fpr, tpr: float(np.trapezoid(tpr, fpr))
    if name.endswith("_eer"):
        return lambda fpr, tpr: float(np.interp(0, fpr + tpr - 1, fpr))
    far = float(name.partition("_tar_at_far_")[2])
    return lambda fpr, tpr: float(np.interp(far, fpr, tpr))


def truth(metric: str) -> float:
    if metric == DIFFERENCE:
        return SECOND.twin_eer - FIRST.twin_eer
    return FIRST.truth(metric)


def rows(simulations: Sequence[Intervals]) -> Iterator[list[str]]:
    """Give a line for each metric: what each way's intervals cover, and how wide they are."""
    yield ["", "truth", "bias", "sd", *(f"{way} covers, width" for way in ("twinverify", "percentile", "pairs"))]
    for metric in simulations[0]:
        true = truth(metric)
        values = np.array([one[metric]["percentile"].value for one in simulations if metric in one])
        cells = [f"{100 * number:.1f}" for number in (true, values.mean() - true, values.std(ddof=1))]
        for way in ("twinverify", "percentile", "pairs"):
            outcomes = [one[metric][way] for one in simulations if way in one.get(metric, {})]
            if not outcomes:
                cells.append("-")
                continue
            covers = np.mean([one.low <= true <= one.high for one in outcomes])
            width = np.mean([one.high - one.low for one in outcomes])
            cells.append(f"{100 * covers:.1f} %, {100 * width:.1f}")
        yield [metric, *cells]


def main(argv: Sequence[str]) -> int:
    options, _ = parse("coverage", Options, argv, summary=__doc__ or "", examples=["save=true"], configurable=False)
    started = time.perf_counter()
    text = [
        f"{options.simulations} simulations, {options.rounds} drawings each; nominal 95 %; all rates in points",
        machine("numpy", "scipy"),
    ]
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        for families in options.families:
            one = partial(simulate, families, options.rounds)
            simulations = pool.map(one, range(options.simulations), chunksize=5)
            head, *lines = rows(simulations)
            text += ["", *lines_up([[f"{families} families", *head[1:]], *lines])]
    publish("coverage", text, save=options.save)
    print(f"\n{time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    run(main)
