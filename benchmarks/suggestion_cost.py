"""What a draw costs after many trials: the second half of `scale.py`."""

import random
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final
from unittest.mock import patch

import optuna
from measuring import Spread
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from ray.tune.search.optuna import OptunaSearch

from twinverify.config import load_config
from twinverify.search.space import Space, load_space
from twinverify.search.study import SweepStudy
from twinverify.search.tpe import OPTIONS

TRIALS: Final = (100, 300, 1000)

#: Values, how it ended, and its reports.
Past = list[tuple[dict[str, Any], str, list[float]]]
Draw = Callable[[int], object]


def suggestions(spaces: Sequence[str], draws: int) -> list[list[str]]:
    """Give the rows of the table: of each space at each number of trials, every side's CPU milliseconds."""
    sides = {"twinverify": ours, "TPESampler, same options": optunas, "Ray's OptunaSearch": rays}
    rows = [["a suggestion", "trials", *(f"{side}, ms" for side in sides)]]
    for name in spaces:
        space = load_space(name, load_config("tiny"))
        for count in TRIALS:
            past = trials_of(space, count)
            spreads = [Spread.of(timed(side(space, past), count, draws)).show(".0f") for side in sides.values()]
            rows.append([space.name, f"{count:,}", *spreads])
            print(*rows[-1], file=sys.stderr)
    return rows


def trials_of(space: Space, count: int) -> Past:
    """Give trials drawn at random, most of them stopped early, some failed."""
    study, chance = SweepStudy(space, "random", 0), random.Random(0)
    found: Past = []
    for number in range(count):
        values = study.draw(number)
        assert values is not None
        state = chance.choices(["completed", "pruned", "failed"], [3, 6, 1])[0]
        reports = 20 if state == "completed" else chance.choice([1, 2, 4, 9])
        found.append((values, state, [chance.random() for _ in range(reports)]))
        study.end(number, "failed", None)
    return found


def timed(draw: Draw, first: int, draws: int) -> list[float]:
    """Give the CPU milliseconds of some draws; the one before them reads what a sweep has read trial by trial."""
    draw(first)
    found = []
    for number in range(first + 1, first + 1 + draws):
        began = time.process_time()
        draw(number)
        found.append(1000 * (time.process_time() - began))
    return found


def ours(space: Space, past: Past) -> Draw:
    """Give the draw of a sweep that has these trials."""
    return study_of(space, past).draw


def optunas(space: Space, past: Past) -> Draw:
    """Give the same draw by Optuna's own sampler."""
    study = study_of(space, past)

    def draw(number: int) -> object:
        with patch("twinverify.search.study.make_sampler", _plain_sampler):
            return study.draw(number)

    return draw


def rays(space: Space, past: Past) -> Draw:
    """Give the draw of Ray's searcher, with its defaults."""

    def define(trial: optuna.Trial) -> None:
        space.draw(trial)

    search = OptunaSearch(define, metric="loss", mode="min", seed=0)
    search._ot_study.add_trials(study_of(space, past).trials)
    return lambda number: search.suggest(str(number))


def study_of(space: Space, past: Past) -> SweepStudy:
    """Give a study that was told of these trials."""
    study = SweepStudy(space, "tpe", 0)
    for number, (values, state, reports) in enumerate(past):
        study.add(number, values)
        for epoch, value in enumerate(reports, 1):
            study.report(number, epoch, value)
        study.end(number, state, min(reports))
    return study


def _plain_sampler(name: str, seed: int, _: object) -> BaseSampler:
    if name == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(seed=seed, **OPTIONS)
