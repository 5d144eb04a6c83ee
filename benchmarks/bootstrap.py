"""Claim: 200 trials get the intervals of all their metrics, from 2,000 drawings of 20 families, in under 10 s.

    python benchmarks/bootstrap.py [trials=20] [rounds=2000] [families=20] [pairs=3] [save=true]

Ours reads each trial's kept scores and gives EER, AUC and TARs of both protocols in every drawing, exactly as a
leaderboard does. The peer is the loop that one writes first: for each drawing scikit-learn's `roc_curve` with each
pair's weight, once a protocol. It is measured for `peer_rounds` drawings of one trial. The twin EERs of the two sides
must agree in every one of them.

How to read it: milliseconds a trial, for all `rounds` drawings (the peer's multiplied up), median over the rounds of
measurement (smallest to largest), the sides in turn; and what 200 trials take. On one thread.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from measuring import Spread, alternate, lines_up, machine, publish, ratios
from numpy.typing import NDArray
from population import Population, draw
from pydantic import Field
from sklearn.metrics import roc_curve
from threadpoolctl import threadpool_limits

from twinverify.arguments import parse, run
from twinverify.settings import Settings
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import estimates
from twinverify.verification.metrics import Roc, auc, eer
from twinverify.verification.pairs import PairScores
from twinverify.verification.resampling import Resampling
from twinverify.verification.score_matrix import matrix_blocks

Floats = NDArray[np.float64]

OURS, PLAIN = "twinverify", "a loop of roc_curve"


class Options(Settings):
    """What to measure."""

    trials: int = Field(20, ge=1, description="trials of ours in each measurement")
    families: int = Field(20, ge=5, description="twin families of the validation")
    rounds: int = Field(2000, ge=10, description="drawings of the families")
    peer_rounds: int = Field(10, ge=1, description="drawings of the peer in each measurement")
    pairs: int = Field(3, ge=1, description="rounds of measurement, each side once in each")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


class Peer:
    """The loop: one trial's pairs with the families of both people, and `roc_curve` for every drawing."""

    def __init__(self, scores: PairScores, unrelated: Sequence[NDArray[np.int64]], resampling: Resampling) -> None:
        self._scores, self._unrelated, self._resampling = scores, unrelated, resampling

    def twin_eers(self, rounds: int) -> list[float]:
        """Give the twin EERs of the first drawings; the general figures are computed and dropped."""
        scores, found = self._scores, []
        for weights in self._resampling.weights[1 : 1 + rounds]:
            same, (first, second) = weights[scores.same_family], self._unrelated
            found.append(eer(_curve(scores.same, scores.twin, same, weights[scores.twin_family])))
            general = _curve(scores.same, scores.general, same, weights[first] * weights[second])
            eer(general), auc(general)
        return found


def _curve(positive: NDArray[np.float32], negative: NDArray[np.float32], *weights: Floats) -> Roc:
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    values = np.concatenate([positive, negative])
    return Roc(
        *roc_curve(labels, values, sample_weight=np.concatenate(weights), drop_intermediate=False), len(negative)
    )


def main(argv: Sequence[str]) -> int:
    options, _ = parse("bootstrap", Options, argv, summary=__doc__ or "", examples=["pairs=5"], configurable=False)
    population, sample = Population(), draw(options.families, np.random.default_rng(0), images=(12, 24))
    scores, kept = population.score(sample)
    resampling = Resampling.draw(kept, options.rounds)
    blocks = list(matrix_blocks(population.matrix(sample), sample.family))
    unrelated = [np.concatenate([getattr(block, end) for block in blocks]) for end in ("first", "second")]
    peer = Peer(scores, unrelated, resampling)
    _agree(peer.twin_eers(options.peer_rounds), kept, resampling)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        file = Path(folder) / "scores.npz"
        kept.save(file)

        def ours() -> float:
            started = time.perf_counter()
            for _ in range(options.trials):
                estimates(FamilyScores.load(file), resampling)
            return 1e3 * (time.perf_counter() - started) / options.trials

        def plain() -> float:
            started = time.perf_counter()
            peer.twin_eers(options.peer_rounds)
            return 1e3 * (time.perf_counter() - started) * options.rounds / options.peer_rounds

        found = alternate({OURS: ours, PLAIN: plain}, options.pairs)
        size = file.stat().st_size
    rows = [[f"{options.families} families, {options.rounds:,} drawings", "ms a trial", "times ours", "200 trials, s"]]
    for side, values in found.items():
        one = Spread.of(values)
        rows.append([side, one.show(".0f"), ratios(values, found[OURS]).show(",.0f"), f"{0.2 * one.middle:,.1f}"])
    pairs = f"{len(scores.same):,} same-person, {len(scores.twin):,} twin, {len(scores.general):,} unrelated pairs"
    text = [f"{pairs}; kept in {size / 1024:.0f} KiB a trial", machine("numpy", "scikit-learn"), "", *lines_up(rows)]
    publish("bootstrap", text, save=options.save)
    return 0


def _agree(expected: Sequence[float], kept: FamilyScores, resampling: Resampling) -> None:
    drawn = estimates(kept, resampling, ["twin_eer"])["twin_eer"].drawn[: len(expected)]
    if np.abs(drawn - expected).max() > 1e-6:
        raise RuntimeError(f"the two sides disagree: {drawn} and {expected}")


if __name__ == "__main__":
    run(main)
