"""The default search on recorded learning curves: it pays, and each part of it does.

The curves are the table of `benchmarks/record_curves.py`, the simulated time that of `benchmarks/replay.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinverify.config import load_config, with_values
from twinverify.search.space import load_space

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEEDS = range(3)

#: Gives the epochs that searches with some options need in all until a trial drawn is as good as the best recorded few.
Needed = Callable[..., int]


@pytest.fixture(scope="module")
def needed(tmp_path_factory: pytest.TempPathFactory) -> Needed:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        from curves import CURVES, read_table
        from search_ours import Ours
        from simulated import epochs_to
        from surrogate import Surrogate
    header, curves = read_table(CURVES / "optim.jsonl")
    base = with_values(load_config("tiny"), header["settings"])
    space, epochs = load_space("optim", base), base.train.epochs
    recorded = [curve for curve in curves if not curve.seed][:24]
    surrogate = Surrogate(recorded, epochs)
    target = sorted(min(curve.costs) for curve in recorded[1:])[1]

    def epochs_of(**options: Any) -> int:
        folders = [tmp_path_factory.mktemp("searched") for _ in SEEDS]
        searches = [Ours(space, epochs, seed, folder, **options) for seed, folder in zip(SEEDS, folders, strict=True)]
        most = 64 * epochs
        return sum(epochs_to(target, search, surrogate, slots=2, most=most) or most for search in searches)

    return epochs_of


@pytest.fixture(scope="module")
def by_default(needed: Needed) -> int:
    return needed()


def test_the_default_needs_under_half_of_the_epochs_of_random_search_at_full_length(
    needed: Needed, by_default: int
) -> None:
    assert by_default < 0.5 * needed(sampler="random", scheduler="none")


@pytest.mark.parametrize("without", [{"sampler": "random"}, {"scheduler": "none"}])
def test_the_default_needs_fewer_epochs_than_without_one_of_its_parts(
    needed: Needed, by_default: int, without: dict[str, Any]
) -> None:
    assert by_default < needed(**without)
