"""A plain Ray Tune script with MLflow's callback, as its documentation has one write it; goes on where it was killed.

    python plain_script.py FOLDER

Two trials of 6 reports, one report in 0.4 s. FOLDER takes all that it writes.
"""

import sys
import time

import ray
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback


def train(values: dict[str, float]) -> None:
    """Report a made-up loss, a second time from the beginning after a restore."""
    for epoch in range(1, 7):
        time.sleep(0.4)
        tune.report({"loss": values["lr"] / epoch})


def main(folder: str) -> None:
    """Run the sweep, or go on with it."""
    ray.init(num_cpus=2, include_dashboard=False)
    storage = f"{folder}/ray/plain"
    if tune.Tuner.can_restore(storage):
        tuner = tune.Tuner.restore(storage, train, resume_unfinished=True)
    else:
        tuner = tune.Tuner(
            train,
            param_space={"lr": tune.grid_search([0.1, 0.2])},
            run_config=tune.RunConfig(
                name="plain",
                storage_path=f"{folder}/ray",
                verbose=0,
                callbacks=[MLflowLoggerCallback(tracking_uri=f"file:{folder}/server/store", experiment_name="plain")],
            ),
        )
    tuner.fit()


if __name__ == "__main__":
    main(sys.argv[1])
