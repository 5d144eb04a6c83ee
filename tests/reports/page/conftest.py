"""Sweeps to draw: told by hand through a real state, or written as a journal where there are many trials."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from made_up_sweep import write_sweep

from twinverify.reports.page.told import Evidence, Sweep
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.verification.ties import Difference


@pytest.fixture
def sweep(plan: SweepPlan, state: SweepState, tmp_path: Path) -> Sweep:
    """The sweep that `tell` tells, as it stands."""
    return Sweep(tmp_path, plan.stored(), plan.space, state)


@pytest.fixture
def judged_by(sweep: Sweep) -> Callable[..., Sweep]:
    """Give the sweep with intervals and ties."""

    def give(intervals: dict[int, Any], tied: Sequence[int] = (), gain: Difference | None = None) -> Sweep:
        return replace(sweep, evidence=Evidence(intervals, frozenset(tied), gain))

    return give


@pytest.fixture
def written(plan: SweepPlan, tmp_path: Path) -> Callable[..., Path]:
    """Write the folder of a sweep: see `write_sweep`."""
    return partial(write_sweep, tmp_path, plan)
