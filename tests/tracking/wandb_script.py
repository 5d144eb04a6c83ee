"""Writes runs as a user's script does, with the real `wandb` in its offline mode: `python wandb_script.py`."""

import math
import os
import signal
import time

import numpy as np
import wandb

LONG = "long " * 20_000


def finished() -> None:
    """A run with all that there is."""
    config = {"lr": 0.001, "model": {"depth": 4, "name": "vit"}, "sizes": [1, 2], "none": None, "text": LONG}
    words = {"group": "ablation", "job_type": "train", "tags": ["x", "y"], "notes": "some **notes**"}
    settings = wandb.Settings(x_stats_sampling_interval=0.5)
    with wandb.init(
        project="twins", entity="me", name="run a", id="aaa", config=config, settings=settings, **words
    ) as run:
        for step in range(20):
            odd = {"bad": math.nan, "big": -math.inf} if step == 3 else {}
            run.log({"loss": 1 / (step + 1), "loss/train": step, "acc@1": step / 20, "in": {"er": step}, **odd})
        time.sleep(1.2)
        run.log({"picture": wandb.Image(np.zeros((8, 8, 3), dtype=np.uint8)), "spread": wandb.Histogram([1, 2, 3])})
        run.log({"words": "text", "loss": 0.5}, step=50)
        run.summary["best"] = 0.25
        run.config.update({"later": True})
        print("something is printed")


def killed() -> None:
    """A run that is killed."""
    run = wandb.init(project="twins", entity="me", name="run b", id="bbb", config={"lr": 0.1})
    for step in range(600):  # it writes blocks of 32 KiB
        run.log({"loss": step})
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    finished()
    killed()
