"""A learning curve for any configuration of a space, from the recorded ones.

The curve of a configuration is what a Gaussian process (Matérn, one length a setting) predicts from the recorded
curves, plus the residual of one of the eight recorded neighbours, chosen by the configuration alone. So a configuration
has one curve, the same for every searcher; a recorded configuration has its own, to the digit; and what the process
smooths away comes back as noise of the size, and of the shape over the epochs, that trainings had.

How that errs: what depends on settings in a way too fine for the records counts as noise, from which no sampler learns;
that is against every sampler that learns. What the process overdoes is smoother than the truth, which is for it. Random
search is judged on the same curves. `agreement` tells how well the ranking of trainings is predicted that the process
has not seen, to be held against the agreement of two trainings that differ in their seed alone.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from curves import Curve, values_key
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Floats = NDArray[np.float64]

NEIGHBOURS: Final = 8
_WORST: Final = 0.5


class Encoder:
    """Gives a configuration as numbers: ranges from 0 to 1, a column a choice, and whether the setting exists."""

    def __init__(self, configurations: Sequence[Mapping[str, Any]]) -> None:
        """Learn ranges and choices from some configurations."""
        keys = sorted({key for values in configurations for key in values})
        seen = {key: [values[key] for values in configurations if key in values] for key in keys}
        self._columns = [column for key in keys for column in _columns(key, seen[key], len(configurations))]

    def __call__(self, values: Mapping[str, Any]) -> Floats:
        """Give the numbers of one configuration."""
        return np.array([column(values) for column in self._columns])


def _columns(key: str, seen: Sequence[Any], count: int) -> list[Any]:
    exists = [lambda values: float(key in values)] if len(seen) < count else []
    if any(isinstance(value, str | None | bool) for value in seen):
        choices = sorted(set(seen), key=repr)
        return exists + [lambda values, c=choice: float(key in values and values[key] == c) for choice in choices]
    low, high = min(seen), max(seen)
    scale = np.log if low > 0 and high / low > 20 else float
    span = scale(high) - scale(low) or 1.0
    return [*exists, lambda values: (scale(values[key]) - scale(low)) / span if key in values else 0.5]


class Surrogate:
    """Curves for a space."""

    def __init__(self, curves: Sequence[Curve], epochs: int) -> None:
        """Fit the process to recorded curves; one that diverged goes on as a failure's EER."""
        self.epochs = epochs
        self._encode = Encoder([curve.values for curve in curves])
        self._at = np.array([self._encode(curve.values) for curve in curves])  # (N, features)
        self._curves = np.array([filled(curve, epochs) for curve in curves])  # (N, epochs)
        self._pace = np.array([np.median(curve.seconds or [1.0]) for curve in curves])
        self._own = {values_key(curve.values): place for place, curve in enumerate(curves)}
        self._process = fitted(self._at, self._curves)
        self._residuals = self._curves - self._process.predict(self._at)
        self._known: dict[str, tuple[Floats, float]] = {}

    def curve(self, values: Mapping[str, Any]) -> tuple[Floats, float]:
        """Give the costs of each epoch, and the seconds that an epoch takes."""
        key = values_key(values)
        if key not in self._known:
            self._known[key] = self._made(values, key)
        return self._known[key]

    def _made(self, values: Mapping[str, Any], key: str) -> tuple[Floats, float]:
        at = self._encode(values)
        near = np.argsort(np.abs(self._at - at).sum(axis=1), kind="stable")[:NEIGHBOURS]
        drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        place = self._own.get(key, int(near[drawn % len(near)]))
        if key in self._own:
            return self._curves[place], float(self._pace[place])
        curve = self._process.predict(at[None])[0] + self._residuals[place]
        return np.clip(curve, 0.0, 1.0), float(self._pace[near[0]])


def filled(curve: Curve, epochs: int) -> list[float]:
    """Give a curve in its full length."""
    return curve.costs + [_WORST] * (epochs - len(curve.costs))


def fitted(at: Floats, curves: Floats) -> GaussianProcessRegressor:
    """Fit the process: all epochs share its lengths."""
    lengths = Matern(np.ones(at.shape[1]), length_scale_bounds=(0.1, 30), nu=2.5)
    kernel = ConstantKernel(1.0, (0.05, 20)) * lengths + WhiteKernel(0.3, (0.01, 2))
    process = GaussianProcessRegressor(kernel, normalize_y=True, n_restarts_optimizer=0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length at its bound says that a setting does not matter
        return process.fit(at, curves)


def agreement(curves: Sequence[Curve], epochs: int, folds: int = 5) -> float:
    """Give Spearman's correlation between recorded best values and those predicted without them."""
    encode = Encoder([curve.values for curve in curves])
    at = np.array([encode(curve.values) for curve in curves])
    all_curves = np.array([filled(curve, epochs) for curve in curves])
    predicted = np.empty(len(curves))
    for fold in range(folds):
        left = np.arange(len(curves)) % folds == fold
        predicted[left] = fitted(at[~left], all_curves[~left]).predict(at[left]).min(axis=1)
    return float(spearmanr(predicted, all_curves.min(axis=1)).statistic)
