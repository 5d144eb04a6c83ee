"""The peer of `sweep_overhead.py`: a sweep as the documentation of Ray Tune, Optuna's wrapper and MLflow has one write.

    python benchmarks/plain_tune.py FOLDER TRAINING TRIALS EPOCHS SLOTS REUSE

FOLDER takes all that it writes; TRAINING is `real` (twinverify's own `fit` on synthetic twins) or `nothing`; REUSE is
`true` for `TuneConfig(reuse_actors=True)`, which few scripts set. Needed for it to run at all: the environment variable
MLFLOW_ALLOW_FILE_STORE=true. Set in its favour: no telemetry, no progress table (`verbose=0`).
"""

import sys
from pathlib import Path

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch


def train_dcal(values):
    """Train one configuration and report each epoch."""
    from twinverify.config import load_config, with_values
    from twinverify.faces.load import load_data
    from twinverify.training.loop import fit

    config = with_values(load_config("tiny"), {"train.lr": values["lr"], "train.epochs": values["epochs"]})
    data = load_data("synthetic", config, Path(values["cache"]))
    checkpoints = Path("checkpoints").resolve()  # in the trial's own folder, where Ray has put this process
    checkpoints.mkdir()
    for report in fit(config, data.train, data.validation, folder=checkpoints):
        tune.report(report.metrics | {"epoch_seconds": report.seconds})


def train_nothing(values):
    """Report made-up metrics at once."""
    from nothing import metrics

    for epoch in range(1, values["epochs"] + 1):
        tune.report(metrics(values["lr"], epoch))


def main(folder: str, training: str, trials: str, epochs: str, slots: str, reuse: str) -> None:
    """Run the sweep."""
    ray.init(num_cpus=int(slots))
    space = {"lr": tune.loguniform(3e-4, 3e-3), "epochs": int(epochs), "cache": f"{folder}/cache"}
    tuner = tune.Tuner(
        tune.with_resources(train_dcal if training == "real" else train_nothing, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val/twin_eer",
            mode="min",
            search_alg=OptunaSearch(points_to_evaluate=[{"lr": 1e-3}]),
            scheduler=ASHAScheduler(max_t=int(epochs), grace_period=max(1, int(epochs) // 4), reduction_factor=3),
            num_samples=int(trials),
            max_concurrent_trials=int(slots),
            reuse_actors=reuse == "true",
        ),
        run_config=tune.RunConfig(
            name="plain",
            storage_path=f"{folder}/ray",
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=f"file:{folder}/mlflow", experiment_name="plain")],
        ),
    )
    print(tuner.fit().get_best_result().config)


if __name__ == "__main__":
    main(*sys.argv[1:])
