"""The peer of `soak.py`: `plain_tune.py` made to survive, as the documentation of Ray Tune has one do it.

    python benchmarks/plain_resumed.py FOLDER TRIALS EPOCHS SLOTS SEED

A checkpoint each epoch, one kept (`CheckpointConfig(num_to_keep=1)`), a worker's death forgiven three times
(`FailureConfig(max_failures=3)`), and the same command goes on where it can (`Tuner.can_restore`, `Tuner.restore`).
FOLDER takes all that it writes, among it one line for each epoch computed to its end, in `computed.txt`. Needed for it
to run at all: the environment variable MLFLOW_ALLOW_FILE_STORE=true. In its favour: no telemetry, no progress table.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune import Checkpoint, CheckpointConfig, FailureConfig
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch


def train_dcal(values):
    """Train one configuration, from its checkpoint if it has one, and report each epoch with a checkpoint."""
    from journal_facts import SPEED
    from soak_ours import SMALL

    from twinverify.config import load_config, with_values
    from twinverify.faces.load import load_data
    from twinverify.training.loop import fit

    config = with_values(load_config("tiny"), SMALL | {"train.lr": values["lr"], "train.epochs": values["epochs"]})
    data = load_data("synthetic", config, Path(values["folder"]) / "cache")
    with tempfile.TemporaryDirectory() as name:
        checkpoints, behind = Path(name), 0
        if (checkpoint := tune.get_checkpoint()) is not None:
            with checkpoint.as_directory() as held:
                shutil.copytree(held, checkpoints, dirs_exist_ok=True)
            behind = json.loads((checkpoints / "last.json").read_text())["epoch"]
        for report in fit(config, data.train, data.validation, folder=checkpoints):
            if report.epoch <= behind:
                continue
            with (Path(values["folder"]) / "computed.txt").open("a") as computed:
                computed.write(f"{tune.get_context().get_trial_id()} {report.epoch} {report.metrics[SPEED]}\n")
            tune.report(report.metrics, checkpoint=Checkpoint.from_directory(checkpoints))


def main(folder: str, trials: str, epochs: str, slots: str, seed: str) -> None:
    """Run the sweep, or go on with it."""
    ray.init(num_cpus=int(slots))
    trainable = tune.with_resources(train_dcal, {"cpu": 1})
    storage = f"{folder}/ray/plain"
    if tune.Tuner.can_restore(storage):
        tuner = tune.Tuner.restore(storage, trainable, resume_unfinished=True, resume_errored=True)
    else:
        tuner = new_tuner(trainable, folder, int(trials), int(epochs), int(slots), int(seed))
    print(tuner.fit().get_best_result("val/twin_eer", "min").config)


def new_tuner(trainable, folder: str, trials: int, epochs: int, slots: int, seed: int) -> tune.Tuner:
    """Set up the sweep."""
    return tune.Tuner(
        trainable,
        param_space={"lr": tune.loguniform(3e-4, 3e-3), "epochs": epochs, "folder": folder},
        tune_config=tune.TuneConfig(
            metric="val/twin_eer",
            mode="min",
            search_alg=OptunaSearch(points_to_evaluate=[{"lr": 1e-3}], seed=seed),
            scheduler=ASHAScheduler(max_t=epochs, grace_period=max(1, epochs // 5), reduction_factor=3),
            num_samples=trials,
            max_concurrent_trials=slots,
        ),
        run_config=tune.RunConfig(
            name="plain",
            storage_path=f"{folder}/ray",
            verbose=0,
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(max_failures=3),
            callbacks=[MLflowLoggerCallback(tracking_uri=f"file:{folder}/mlflow", experiment_name="plain")],
        ),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
