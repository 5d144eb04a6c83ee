"""Makes a sweep with real checkpoints and scores in seconds."""

import json
from dataclasses import dataclass
from pathlib import Path

from twinverify.faces.load import load_data
from twinverify.search.files import TrialFiles, trial_config, trial_folder, write_best, write_plan
from twinverify.search.options import TuneOptions
from twinverify.search.plan import make_plan
from twinverify.search.sweep import open_state
from twinverify.training.loop import fit

SMALL = {
    "synthetic.families": 24,
    "synthetic.images": 4,
    "batch.people": 8,
    "model.width": 48,
    "model.depth": 2,
    "model.pwca.blocks": 1,
    "model.image_size": 32,
}


@dataclass(frozen=True)
class ServedSweep:
    """A sweep's folder, and the drawn photographs."""

    folder: Path
    faces: list[Path]

    def add_trial(self, value: float, source: int = 0) -> int:
        """Add a trial with the files of another one and another twin EER; gives its number."""
        lines = [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]
        drawn = [line for line in lines if line["event"] == "drawn"]
        report = next(line for line in lines if line["event"] == "reported" and line["trial"] == source)
        number = len(drawn)
        report = report | {"trial": number, "metrics": report["metrics"] | {"val/twin_eer": value}}
        with (self.folder / "journal.jsonl").open("a") as journal:
            for line in (drawn[source] | {"trial": number}, report):
                journal.write(json.dumps(line) + "\n")
        (self.folder / f"{number:05d}").mkdir()
        for path in (self.folder / f"{source:05d}").iterdir():
            (self.folder / f"{number:05d}" / path.name).write_bytes(path.read_bytes())
        return number


def make_sweep(root: Path) -> ServedSweep:
    """Train the first two trials of a sweep for one epoch."""
    options = {"space": "glca_heads", "name": "small", "config": "tiny", "gpus": 0, "cpus": 1, "epochs": 1, "trials": 2}
    plan = make_plan(TuneOptions.model_validate(options | {"output": root / "runs", "tracking": "off"}), SMALL)
    write_plan(plan)
    state = open_state(plan)
    state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
    state.listeners += [TrialFiles(plan).update]
    data = load_data("synthetic", plan.config, plan.cache)
    for _ in range(2):
        trial = state.draw()
        assert trial is not None
        config, folder = trial_config(plan, trial), trial_folder(plan, trial.number)
        for report in fit(config, data.train, data.validation, folder=folder, objective=plan.objective):
            state.report(trial.number, report.epoch, report.metrics)
    write_best(plan, state)
    state.close()
    return ServedSweep(plan.folder, list(data.split.validation.image_paths))
