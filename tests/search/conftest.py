"""Plans as the command line makes them, and sweeps that were started by one."""

from pathlib import Path
from typing import Any

import pytest
from planning import FEW, Planned, noted

from twinverify import config as config_module
from twinverify.search import resources
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """Make a plan as the command line would, on a machine without a GPU; `overrides` are dotted keys."""
    for module in (resources, config_module):
        monkeypatch.setattr(module, "count_gpus", lambda: 0)

    def make(overrides: dict[str, Any] = FEW, **options: Any) -> SweepPlan:
        return make_plan(TuneOptions.model_validate({"output": tmp_path / "runs", **options}), overrides)

    return make


@pytest.fixture
def started(planned: Planned) -> Planned:
    """Make a plan and write it down, as a sweep that is started does."""

    def make(overrides: dict[str, Any] = FEW, **options: Any) -> SweepPlan:
        return noted(planned(overrides, **options))

    return make


@pytest.fixture
def no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the hundred draws by which a space is tried: most of a plan's time, where it is not the matter."""
    monkeypatch.setattr("twinverify.search.space.probe", lambda *_: None)
