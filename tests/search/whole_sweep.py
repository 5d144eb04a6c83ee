"""A whole sweep without Ray and without training: journal, files, checkpoints and MLflow runs by the real code."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from state_driver import trained

from twinverify.environment import prepare
from twinverify.search.audit.audit import Audit, audit
from twinverify.search.files import TrialFiles, trial_folder, write_best, write_plan
from twinverify.search.keep import Keeper
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState, Trial
from twinverify.search.sweep import open_state
from twinverify.search.tracked import close, open_courier
from twinverify.training.files import write_json, write_tensors
from twinverify.training.names import BEST, BEST_VALUES, LAST, LAST_VALUES, SCORES
from twinverify.verification.family_scores import FamilyScores

EPOCHS = 4


@dataclass(frozen=True)
class WholeSweep:
    """A sweep with all that it left behind."""

    plan: SweepPlan

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.plan.folder

    @property
    def store(self) -> Path:
        """The folder of its MLflow experiment."""
        root = Path(str(self.plan.options.tracking).removeprefix("file://"))
        (meta,) = [path for path in root.glob("*/meta.yaml") if path.parent.name != "0"]
        return meta.parent

    def run(self, number: int | None) -> Path:
        """Give the folder of a trial's run; None: the parent's."""
        for path in self.store.glob("*/tags"):
            tag = path / "trial"
            if (int(tag.read_text()) if tag.exists() else None) == number and (path / "sweep_id").exists():
                return path.parent
        raise AssertionError(f"no run of trial {number}")

    def trial(self, number: int) -> Path:
        """Give the folder of a trial."""
        return trial_folder(self.plan, number)

    def audited(self, **options: Any) -> Audit:
        """Audit it."""
        return audit(self.folder, **options)

    def lines(self, **options: Any) -> list[str]:
        """Give the differences that an audit finds, in words."""
        return [str(difference) for difference in self.audited(**options).differences]


def make_whole(root: Path, *, trials: int = 12, leave_running: int = 0, **options: Any) -> WholeSweep:
    """Run a sweep; of its last `leave_running` trials, interrupted, each has reported one epoch."""
    prepare()
    common = {
        "space": "glca_heads",
        "config": "tiny",
        "gpus": 0,
        "cpus": 2,
        "epochs": EPOCHS,
        "keep": 3,
        "spare": 0,
        "repeats": True,
    }
    where = {"output": root / "runs", "tracking": (root / "store").as_uri()}
    plan = make_plan(
        TuneOptions.model_validate(common | where | {"trials": trials} | options),
        {"synthetic.families": 12, "synthetic.images": 3},
    )
    write_plan(plan)
    state = open_state(plan)
    state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
    state.listeners += [TrialFiles(plan).update, Keeper(plan, state).update]
    courier = open_courier(plan, state, lambda reason: None)
    for number in range(trials):
        trial = state.draw()
        assert trial is not None
        last = 1 if number >= trials - leave_running else EPOCHS
        _run(plan, state, trial, last)
    write_best(plan, state)
    if courier is not None:
        # Patience is for people: a busy machine may lay out a database for longer.
        patience = time.monotonic() + 120
        while courier.outstanding and time.monotonic() < patience:
            time.sleep(0.01)
        lacking = close(plan, state, courier, interrupted=leave_running > 0)
        assert lacking is None, lacking
    state.close()
    return WholeSweep(plan)


def _run(plan: SweepPlan, state: SweepState, trial: Trial, last: int) -> None:
    reports: list[dict[str, Any]] = []
    for epoch in range(1, last + 1):
        metrics = trained(trial, epoch)
        reports.append({"epoch": epoch, "metrics": metrics})
        _write_checkpoints(trial_folder(plan, trial.number), reports, state.objective)
        if state.report(trial.number, epoch, metrics) != "continue":
            return


def _write_checkpoints(folder: Path, reports: list[dict[str, Any]], objective: str) -> None:
    weights = {"weight": torch.full((3,), float(len(reports)))}
    write_tensors(folder / LAST, weights, {"identity": {}, "learner": {}, "reports": reports})
    write_json(folder / LAST_VALUES, reports[-1])
    best = min(reports, key=lambda report: (report["metrics"][objective], report["epoch"]))
    if best is reports[-1]:
        write_tensors(folder / BEST, weights, {**best, "identity": {}})
        write_json(folder / BEST_VALUES, best)
        scores_of_epoch(best["epoch"]).save(folder / SCORES)


def scores_of_epoch(epoch: int) -> FamilyScores:
    """Give what an evaluation of two families without unrelated people keeps."""
    none = np.empty(0, np.float32)
    of = np.array([0, 1], np.uint8)
    counts = np.empty((3, 0), np.uint8)
    return FamilyScores(
        np.float32([0.8, 0.7]), np.float32([0.5, 0.6]), of, of, none, counts, np.array(["a", "b"]), epoch
    )
