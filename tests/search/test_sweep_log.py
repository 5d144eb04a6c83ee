"""The log of a sweep: what happened, in lines with times, and everything still shown."""

import re
from pathlib import Path
from typing import Any

from twinverify.search.state import Trial
from twinverify.search.sweep_log import SweepLog


class Shown:
    """Takes note of whatever it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.told.append(name)


def lines(folder: Path) -> list[str]:
    found = (folder / "log.txt").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in found)
    return [line[20:] for line in found]


def test_draws_ends_and_troubles_are_noted_and_passed_on(tmp_path: Path) -> None:
    shown = Shown()
    log = SweepLog(shown, tmp_path, "val/twin_eer")
    trial = Trial(3, {}, drawn_at=1.0)
    log.changed(trial)
    log.worker_died(trial, "killed", 1)
    log.ray_restarts("GCS")
    trial.reports.append({"val/twin_eer": 0.25})
    log.changed(trial)  # an epoch: in the trial's own log
    log.tracking_away("no server answers\n(refused)")
    log.tracking_back()
    trial.state, trial.cause = "failed", "epoch 2: the loss is not a number"
    log.changed(trial)
    assert lines(tmp_path) == [
        "trial 3 drawn",
        "WARNING trial 3: its worker died, death 1 (killed)",
        "WARNING Ray is started anew: its server GCS died",
        "WARNING MLflow is away (no server answers (refused))",
        "MLflow is back; all that waited is delivered",
        "trial 3 failed after 1 epochs, val/twin_eer 0.2500 at epoch 1 (epoch 2: the loss is not a number)",
    ]
    passed = ["changed", "worker_died", "ray_restarts", "changed", "tracking_away", "tracking_back", "changed"]
    assert shown.told == passed


def test_a_log_that_cannot_be_written_ends_no_sweep(tmp_path: Path) -> None:
    shown = Shown()
    SweepLog(shown, tmp_path / "not there", "val/twin_eer").tracking_back()
    assert shown.told == ["tracking_back"]
