"""Which of several configurations is the best, from trainings of each with the same seeds and splits.

A difference between two configurations is seen once with each seed, and what a seed and its split are hard in, they are
hard in for both. The splits of different seeds share families, so the repetitions are not independent, and the plain
variance of their mean is far too small; it is corrected as Nadeau and Bengio do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinverify.verification.intervals import Interval
from twinverify.verification.objective import higher_is_better

Floats = NDArray[np.float64]

#: Drawings of the true means; chances are known to 0.3 %.
_DRAWS: Final = 100_000
#: Means that differ by less are equal: figures from float32 sums differ in their last digits.
_EQUAL: Final = 1e-9


@dataclass(frozen=True)
class Selection:
    """What repeated trainings tell of K configurations.

    Attributes:
        means: (K,) each one's mean over the seeds.
        intervals: of each mean; None where all its values are equal.
        gains: (K,) its mean less the first one's (the default's).
        gain_intervals: of these differences, paired; None of the first one's, or where nothing varies.
        chances: (K,) the probability that its true mean is the best of all. Before any training all differences count
            as equally likely, so it is somewhat too sure where configurations hardly differ: with 6 of them, 5 seeds,
            true effects of sd 0.01 and an overlap of 0.22 it says 0.58 on average where it is right in 0.45.
        best: which one has the best mean; of equals the first.
        expected_loss: by how much the true mean of that one is expected to be worse than the best true mean, in the
            metric's units; None where it has no finite expectation, as with 2 configurations and 2 seeds.
    """

    means: Floats
    intervals: tuple[Interval | None, ...]
    gains: Floats
    gain_intervals: tuple[Interval | None, ...]
    chances: Floats
    best: int
    expected_loss: float | None


def select(metric: str, values: Floats, overlap: float, level: float = 0.95, seed: int = 0) -> Selection:
    """Judge configurations by trainings that are paired over seeds.

    The value of configuration k with seed j is taken as its true mean, plus what is due to the seed and its split, plus
    a rest of one variance for all, which is estimated from (J - 1)(K - 1) degrees of freedom: with the few seeds that
    one can pay for, a covariance of its own for each pair of configurations would have J - 1, and be singular for J <=
    K. The posterior of the true means, as far as they differ, is then a multivariate t distribution.

    Args:
        metric: the metric's name; it says whether higher or lower is better. A rate: intervals stay within 0 and 1.
        values: (J, K) one value a seed and configuration, J >= 2.
        overlap: families that a training is judged by / families that it learns from: the correction.
        level: of the intervals.
        seed: of the drawings.

    Raises:
        ValueError: there are fewer than two seeds or no configurations, a value is NaN or infinite, or the overlap is
            negative.
        UserError: the metric ranks nothing.

    Source:
        C. Nadeau, Y. Bengio, "Inference for the Generalization Error", Machine Learning 52, 2003, section 4: the
        variance of a mean over J overlapping splits is (1/J + n_test/n_train) times that of a single value. Where each
        seed deals training and validation anew from the same families, this is their repeated random subsampling.
    """
    if values.ndim != 2 or values.shape[0] < 2 or not values.shape[1]:
        raise ValueError(f"values of shape {values.shape}: (seeds, configurations) is expected, two seeds at least")
    if not np.isfinite(values).all():
        raise ValueError(f"values: {int((~np.isfinite(values)).sum())} of {values.size} are NaN or infinite")
    if not overlap >= 0:
        raise ValueError(f"overlap {overlap:g}: a share of 0 or more is expected")
    means = values.mean(axis=0)
    cost = -means if higher_is_better(metric) else means
    factor = 1 / len(values) + overlap
    scale, freedom = _rest(values)
    best = int(np.argmax(cost <= cost.min() + _EQUAL))
    loss = cost - cost.min()
    chances, lost = _chances(loss, scale * np.sqrt(factor), freedom, best, seed)
    return Selection(
        means=means,
        intervals=tuple(_of_mean(column, factor, level) for column in values.T),
        gains=means - means[0],
        gain_intervals=tuple(
            None if place == 0 else _around(gain, scale * np.sqrt(2 * factor), freedom, level, (-1.0, 1.0))
            for place, gain in enumerate(means - means[0])
        ),
        chances=chances,
        best=best,
        expected_loss=lost,
    )


def _rest(values: Floats) -> tuple[float, int]:
    """Give the sd of what neither seed nor configuration explains, and its degrees of freedom."""
    seeds, configurations = values.shape
    freedom = (seeds - 1) * (configurations - 1)
    rest = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    return float(np.sqrt((rest**2).sum() / max(1, freedom))), freedom


def _of_mean(values: Floats, factor: float, level: float) -> Interval | None:
    sd = float(values.std(ddof=1)) * np.sqrt(factor)
    return _around(float(values.mean()), sd, len(values) - 1, level, (0.0, 1.0))


def _around(middle: float, sd: float, freedom: int, level: float, within: tuple[float, float]) -> Interval | None:
    from scipy.stats import t as student  # a second

    if not freedom or not sd > _EQUAL:
        return None  # equal values are no sign of certainty
    half = float(student.ppf((1 + level) / 2, freedom)) * sd
    return Interval(max(within[0], float(middle - half)), min(within[1], float(middle + half)))


def _chances(loss: Floats, sd: float, freedom: int, best: int, seed: int) -> tuple[Floats, float | None]:
    """Give each one's chance of the lowest true cost, and the expected loss of the one with the lowest mean cost.

    Args:
        loss: (K,) mean costs, less the lowest of them.
        sd: of each mean, what all have in common left out: that drops out of every difference.
        freedom: its degrees of freedom.
        best: whose loss is wanted.
        seed: of the drawings.
    """
    from scipy.stats import multivariate_t

    if len(loss) == 1:
        return np.ones(1), 0.0
    if not sd > _EQUAL:
        first = loss <= _EQUAL
        return first / first.sum(), 0.0
    drawn = np.asarray(
        multivariate_t(loss, np.eye(len(loss)) * sd**2, df=freedom).rvs(
            _DRAWS, random_state=np.random.default_rng(seed)
        )
    )
    chances = np.bincount(drawn.argmin(axis=1), minlength=len(loss)) / _DRAWS
    # The mean of a t distribution with one degree of freedom does not exist.
    return chances, float(np.mean(drawn[:, best] - drawn.min(axis=1))) if freedom > 1 else None


def complete(values: Sequence[Sequence[float | None]]) -> list[int]:
    """Give the configurations (columns) that have a value with every seed: only those are paired."""
    return [place for place, column in enumerate(zip(*values, strict=True)) if None not in column]
