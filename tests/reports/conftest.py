"""A sweep to report on: a real plan and a real state, whose trials are told by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> SweepPlan:
    options = {"space": "glca_heads", "trials": 40, "epochs": 4, "cpus": 2, "config": "tiny", "gpus": 0}
    folder = tmp_path_factory.mktemp("runs")
    few = {"synthetic.families": 12, "synthetic.images": 3}
    return make_plan(TuneOptions.model_validate(options | {"output": folder}), few)


@pytest.fixture
def state(plan: SweepPlan, tmp_path: Path) -> Iterator[SweepState]:
    """An empty sweep of four epochs a trial."""
    made = SweepState(
        tmp_path, SweepStudy(plan.space, "random", 0), None, objective="val/twin_eer", epochs=plan.config.train.epochs
    )
    yield made
    made.close()


Tell = Callable[..., int]


@pytest.fixture
def tell(state: SweepState) -> Tell:
    """Draw a trial, report its objective's values, and let it fail where a cause is given; gives its number."""

    def draw(*values: float, fails: str | None = None, **beside: Any) -> int:
        trial = state.draw()
        assert trial is not None
        for epoch, value in enumerate(values, 1):
            others = {f"val/{name}": float(number) for name, number in beside.items()}
            state.report(trial.number, epoch, {state.objective: value, "train/loss": 1.0} | others)
        if fails is not None:
            state.fail(trial.number, fails)
        return trial.number

    return draw
