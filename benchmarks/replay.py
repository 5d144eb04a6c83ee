"""Wanted: the default search needs a quarter of random search's compute, 0.8 of Ray's OptunaSearch + ASHAScheduler's.

    python benchmarks/replay.py [spaces=[glca_heads, optim]] [seeds=20] [slots=[2]] [variants=true] [save=true]

Searches are run in simulated time on learning curves that were recorded once (`record_curves.py`, `curves/`): which
configurations a search draws and how long it trains them is its own doing, by its own classes; the training is looked
up (`surrogate.py` tells how, and what that is worth). Each begins with the default configuration, which every
search is given, so that it counts for none.

- random: 64 trials at full length. The target is the median, over the seeds, of the best EER that they reach.
- ours: `SweepState` with `SweepStudy` and `Rungs` as `python -m twinverify.tune` has them, also with other options.
- plain: Ray's `OptunaSearch` and `ASHAScheduler` with their defaults, fed as Tune feeds them; a
  second time with our rungs, for whoever thinks of setting them.

How to read it: epochs trained, on all slots together, until a trial first reaches the target, judged by the epochs
that it was trained for: median over the seeds with the quartiles behind it. Random search's compute is that of its 64
trials. A search that trains as much without reaching the target counts as one that needs longer than all that reach it;
how many did reach it stands in the last column. The ratio to plain is of the medians.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from twinverify.environment import prepare

prepare()
# The matrices are small: a second thread would only wait for the first.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from curves import CURVES, Curve, read_table  # noqa: E402
from measuring import lines_up, machine, publish  # noqa: E402
from pydantic import Field  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from search_ours import Ours  # noqa: E402
from search_peers import Plain  # noqa: E402
from simulated import Search, epochs_to  # noqa: E402
from surrogate import Surrogate, agreement, filled  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.config import load_config, with_values  # noqa: E402
from twinverify.search.options import TuneOptions  # noqa: E402
from twinverify.search.rungs import first_rung  # noqa: E402
from twinverify.search.space import Space, load_space  # noqa: E402
from twinverify.search.study import SweepStudy  # noqa: E402
from twinverify.settings import Settings  # noqa: E402

#: How ours is tried beside its defaults.
VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ours": {},
    "ours, nobody spared": {"spare": 0.0},
    "ours, repeats drawn": {"repeats": True},
    "ours, drawn at random": {"sampler": "random"},
    "ours, nobody stopped": {"scheduler": "none"},
    "ours, factor 2": {"reduction_factor": 2},
    "ours, factor 4": {"reduction_factor": 4},
    "ours, first rung at 1": {"grace_epochs": 1},
    "ours, first rung at 2": {"grace_epochs": 2},
    "ours, first rung at 4": {"grace_epochs": 4},
    "ours, first rung at 4, factor 2": {"grace_epochs": 4, "reduction_factor": 2},
    "ours, first rung at 6": {"grace_epochs": 6},
}


class Options(Settings):
    """What to replay."""

    spaces: list[str] = Field(["glca_heads", "optim"], min_length=1, description="spaces with a table in curves/")
    seeds: int = Field(20, ge=10, description="searches of each kind")
    slots: list[int] = Field([2], min_length=1, description="trials at once, one table for each")
    trials: int = Field(64, ge=2, description="trials of random search")
    variants: bool = Field(False, description="ours with other options too, on the first number of slots")
    save: bool = Field(False, description="keep the tables in benchmarks/figures/")


def main(argv: Sequence[str]) -> int:
    options, _ = parse("replay", Options, argv, summary=__doc__ or "", examples=["variants=true"], configurable=False)
    for name in options.spaces:
        started = time.perf_counter()
        header, curves = read_table(CURVES / f"{name}.jsonl")
        base = with_values(load_config("tiny"), header["settings"])
        lines = replayed(options, load_space(name, base), curves, base.train.epochs)
        publish(f"replay_{name}", [machine("ray", "optuna", "scikit-learn"), "", *lines], save=options.save)
        print(f"\n{time.perf_counter() - started:.0f} s\n")
    return 0


def replayed(options: Options, space: Space, curves: Sequence[Curve], epochs: int) -> list[str]:
    """Run all searches on one table, and give what there is to tell."""
    recorded = [curve for curve in curves if not curve.seed]
    surrogate = Surrogate(recorded, epochs)
    seeds = range(options.seeds)
    most = options.trials * epochs
    target = float(np.median([best_of_random(space, surrogate, seed, options.trials) for seed in seeds]))
    lines = [*about(space, curves, epochs), f"target: {target:.4f}, of {options.trials} random trials: {most} epochs"]
    by_hand = {"grace_period": first_rung(epochs), "reduction_factor": TuneOptions().reduction_factor}
    for slots in options.slots:
        sides: dict[str, Callable[[int, Path], Search]] = {
            "random, full length": lambda seed, at: Ours(
                space, epochs, seed, at, sampler="random", scheduler="none", repeats=True
            ),
        }
        ours = VARIANTS if options.variants and slots == options.slots[0] else {"ours": {}}
        sides |= {name: partial(begin, space, epochs, given) for name, given in ours.items()}
        sides["OptunaSearch + ASHA, our rungs"] = lambda seed, _: Plain(space, epochs, seed, **by_hand)
        sides["plain: OptunaSearch + ASHA"] = lambda seed, _: Plain(space, epochs, seed)
        found: dict[str, list[float]] = {}
        for name, side in sides.items():
            found[name] = [in_a_folder(side, seed, target, surrogate, slots, most) for seed in seeds]
            print(f"{name}: {sorted(found[name])}", flush=True)
        lines += ["", *lines_up(list(rows(found, most, f"{slots} at once")))]
    return lines


def begin(space: Space, epochs: int, given: Mapping[str, Any], seed: int, folder: Path) -> Search:
    return Ours(space, epochs, seed, folder, **given)


def in_a_folder(
    side: Callable[[int, Path], Search], seed: int, target: float, surrogate: Surrogate, slots: int, most: int
) -> float:
    """Run one search with a folder of its own; infinite where it does not reach the target."""
    # In memory where there is such a place: the journal syncs each line.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="replay-", dir=memory if memory.is_dir() else None) as folder:
        needed = epochs_to(target, side(seed, Path(folder)), surrogate, slots=slots, most=most)
    return float("inf") if needed is None else needed


def best_of_random(space: Space, surrogate: Surrogate, seed: int, trials: int) -> float:
    """Give the best EER of a random search at full length."""
    study = SweepStudy(space, "random", seed, repeats=True)
    drawn = [study.draw(number) or {} for number in range(trials)][1:]
    return min(float(surrogate.curve(values)[0].min()) for values in drawn)


def rows(found: Mapping[str, Sequence[float]], most: int, title: str) -> list[list[str]]:
    """Give a line a search."""
    middle = {name: float(np.median(needed)) for name, needed in found.items()}
    plain = next(value for name, value in middle.items() if name.startswith("plain"))
    table = [[title, "epochs to the target", "of random's", "of plain's", "reached"]]
    for name, needed in found.items():
        quartiles = np.quantile(np.array(needed), [0.25, 0.75], method="nearest")
        low, high = (f"{number:.0f}" if np.isfinite(number) else "more" for number in quartiles)
        shown = f"{middle[name]:.0f}" if np.isfinite(middle[name]) else f"over {most}"
        table.append(
            [
                name,
                f"{shown} ({low} to {high})",
                ratio(middle[name], most),
                ratio(middle[name], plain),
                f"{np.isfinite(needed).sum()} of {len(needed)}",
            ]
        )
    return table


def ratio(of: float, to: float) -> str:
    return f"{of / to:.2f}" if np.isfinite(of) and np.isfinite(to) else "-"


def about(space: Space, curves: Sequence[Curve], epochs: int) -> list[str]:
    """Tell what the table holds, and what it is worth."""
    first = {curve.number: curve for curve in curves if not curve.seed}
    costs = np.array([filled(curve, epochs) for curve in first.values()])  # (N, epochs)
    best = costs.min(axis=1)
    pairs = [(min(curve.costs), min(first[curve.number].costs)) for curve in curves if curve.seed]
    early = [(epoch, spearmanr(costs[:, :epoch].min(axis=1), best).statistic) for epoch in (1, 2, 3, 6)]
    return [
        f"{space.name}: {len(first)} recorded trainings of {epochs} epochs; best {best.min():.4f}, median"
        f" {np.median(best):.4f}, default {costs[0].min():.4f}",
        "rank correlation with the best of all epochs: "
        + ", ".join(f"{value:.2f} after epoch {epoch}" for epoch, value in early)
        + f"; of two seeds of a training {spearmanr(pairs).statistic:.2f} ({len(pairs)} trainings);"
        f" of surrogate and training, cross-validated, {agreement(list(first.values()), epochs):.2f}",
    ]


if __name__ == "__main__":
    run(main)
