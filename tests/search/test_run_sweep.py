"""The start and the end of a sweep, without Ray: what is refused, and what is left behind."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from twinverify.errors import UserError
from twinverify.search.files import write_plan
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState, Trial
from twinverify.search.sweep import open_state, run_sweep


class Watcher:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def preparing(self, done: int, total: int) -> None:
        self.told.append("preparing")

    def starting(self, plan: SweepPlan, state: SweepState) -> None:
        self.told.append("starting")

    def changed(self, trial: Trial) -> None:
        self.told.append("changed")

    def tracking_away(self, reason: str) -> None:
        self.told.append("away")

    def tracking_back(self) -> None:
        self.told.append("back")

    def stopped(self) -> None:
        self.told.append("stopped")


@pytest.fixture
def plan(tmp_path: Path) -> SweepPlan:
    noise = np.random.default_rng(0)
    for person in range(14):
        folder = tmp_path / "faces" / f"p{person:02d}"
        folder.mkdir(parents=True)
        for image in range(2):
            Image.fromarray(noise.integers(0, 255, (12, 12), dtype=np.uint8)).save(folder / f"{image}.png")
    options = {
        "space": "glca_heads",
        "output": tmp_path / "runs",
        "config": "tiny",
        "gpus": 0,
        "trials": 3,
        "epochs": 2,
    }
    return make_plan(TuneOptions.model_validate(options | {"data": str(tmp_path / "faces")}), {"model.image_size": 32})


def no_tracking(plan: SweepPlan, state: SweepState, told: object) -> None:
    return None


def finished(plan: SweepPlan) -> None:
    """Write the journal of a sweep whose trials have all ended."""
    write_plan(plan)
    state = open_state(plan)
    for number in range(plan.options.trials):
        state.draw()
        for epoch in (1, 2):
            state.report(number, epoch, {plan.objective: 0.5 - number / 10})
    state.close()


def test_a_broken_image_is_told_and_leaves_no_folder_and_no_progress_bar(plan: SweepPlan, tmp_path: Path) -> None:
    (tmp_path / "faces" / "p03" / "1.png").write_bytes(b"no picture")
    watcher = Watcher()
    with pytest.raises(UserError, match=r"p03/1\.png"):
        run_sweep(plan, watcher, no_tracking)
    assert watcher.told[-1] == "stopped"
    assert not plan.folder.exists()


def test_a_finished_sweep_tells_its_result_without_starting_anything(plan: SweepPlan) -> None:
    finished(plan)
    watcher = Watcher()
    outcome = run_sweep(plan, watcher, no_tracking)
    best = outcome.state.best()
    assert best is not None
    assert (best.trial.number, outcome.interrupted) == (2, False)
    assert "starting" not in watcher.told
    assert watcher.told[-1] == "stopped"
    assert (plan.folder / "best.yaml").exists()
    assert (plan.folder / "00002" / "metrics.jsonl").exists()


def test_a_sweep_that_another_process_runs_is_refused_and_taken_over_when_that_is_dead(plan: SweepPlan) -> None:
    finished(plan)
    (plan.folder / ".owner").write_text("process 4711 on elsewhere")
    script = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()"
    hold = f"{script}; print('held', flush=True); input()"
    words = [sys.executable, "-c", hold, str(plan.folder / "sweep.lock")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="sweep glca_heads is being run by process 4711 on elsewhere"):
            run_sweep(plan, Watcher(), no_tracking)
        other.kill()
    assert run_sweep(plan, Watcher(), no_tracking).interrupted is False


def test_rungs_begin_after_a_quarter_of_the_epochs_unless_said_otherwise(tmp_path: Path) -> None:
    def stops_at(**options: Any) -> list[int]:
        few = {"synthetic.families": 12, "synthetic.images": 3}
        common = {"space": "glca_heads", "output": tmp_path, "config": "tiny", "gpus": 0, "epochs": 20}
        plan = make_plan(TuneOptions.model_validate(common | options), few)
        plan.folder.mkdir(exist_ok=True)
        state = open_state(plan)
        stopper = state._stopper
        state.close()
        return list(stopper.levels) if stopper is not None else []  # type: ignore[attr-defined]

    assert stops_at() == [5, 15]
    assert stops_at(grace_epochs=1, reduction_factor=2) == [1, 2, 4, 8, 16]
    assert stops_at(epochs=2) == [1]
    assert stops_at(scheduler="none") == []
