"""The sweep that a configuration file came from."""

from pathlib import Path

import pytest
from planning import Planned

from twinverify.errors import UserError
from twinverify.search import origin
from twinverify.search.origin import settings_of_trials, sweep_of


@pytest.mark.parametrize("name", ["best.yaml", "best/config.yaml", "00003/config.yaml"])
def test_a_sweeps_files_lead_to_it(started: Planned, name: str) -> None:
    folder = started(space="glca_heads").folder
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("seed: 1\n")
    assert sweep_of(str(file)) == folder


def test_other_files_and_presets_come_from_no_sweep(started: Planned, tmp_path: Path) -> None:
    folder = started(space="glca_heads").folder
    (tmp_path / "best.yaml").write_text("seed: 1\n")
    (folder / "mine.yaml").write_text("seed: 1\n")
    for config in (None, "tiny", str(tmp_path / "best.yaml"), str(folder / "mine.yaml"), str(folder / "best.yaml")):
        assert sweep_of(config) is None


def test_its_trials_settings_are_the_sweeps(started: Planned, tmp_path: Path) -> None:
    plan = started(space="glca_heads", cpus=4, cpus_per_trial=3)
    found = settings_of_trials(plan.folder)
    assert found["threads"] == plan.resources.threads == 3
    assert (found["data"], found["objective"]) == ("synthetic", "val/twin_eer")
    assert found["cache"] == plan.cache
    assert found["pairs"] is None


def refused(_: object) -> None:
    raise UserError("cpus_per_trial=2: only 1 core to share")


def test_a_machine_that_is_too_small_leaves_the_threads_open(started: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = started(space="glca_heads", cpus_per_trial=2, cpus=2)
    assert settings_of_trials(plan.folder)["threads"] == 2
    monkeypatch.setattr(origin, "plan_resources", refused)
    assert "threads" not in settings_of_trials(plan.folder)
