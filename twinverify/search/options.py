"""The keys of `python -m twinverify.tune`, beside the configuration's own dotted keys."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from twinverify.faces.load import SYNTHETIC
from twinverify.settings import Settings
from twinverify.tracking.store import EXPERIMENT, experiment_name

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: What a resumed sweep may change without becoming another search.
CHANGEABLE: Final = frozenset(
    {
        "trials",
        "budget",
        "concurrency",
        "cpus",
        "gpus",
        "cpus_per_trial",
        "gpus_per_trial",
        "tracking",
        "cache",
        "keep",
        "results",
        "dashboard",
        "tensorboard",
        "resume",
    }
)
#: What a sweep keeps where a later start does not give it: the option or its default may be younger than the sweep.
KEPT: Final = frozenset({"spare", "repeats", "grace_epochs", "reduction_factor"})

#: The context in which options of a sweep that is there are read: what it was started with goes on, even where a new
#: sweep would be refused.
STORED: Final[Mapping[str, Any]] = {"stored": True}


def at_least_one(value: int | str) -> int | str:
    """Check `concurrency`."""
    if isinstance(value, int) and value < 1:
        raise ValueError(f"concurrency is {value}; allowed: 1 or more, or auto")
    return value


def whole_above_one(value: float | str) -> float | str:
    """Check `gpus_per_trial`."""
    if isinstance(value, str) or value == 0 or 0.01 <= value <= 1 or (value > 1 and value == int(value)):
        return value
    raise ValueError(f"gpus_per_trial is {value:g}; allowed: 0, a share from 0.01 to 1, or a whole number")


def seconds(value: Any, info: ValidationInfo) -> Any:
    """Give the seconds of a time such as `48h`."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([smhd])\s*", value)
    if not match:
        raise ValueError(f"{info.field_name} is {value!r}; allowed: seconds, or a number with s, m, h or d, like 48h")
    return float(match[1]) * _UNITS[match[2]]


class TuneOptions(Settings):
    """What to search, how long, and on what."""

    space: str | None = Field(None, description="search space: a name in search_spaces/ or a YAML file")
    resume: str | None = Field(None, description="name of a sweep to continue; trials=N extends it")
    name: str | None = Field(None, description="name of the sweep; default: the space's name")
    config: str | None = Field(None, description="preset or YAML file; default: tiny without a GPU, small with one")
    data: str = Field(SYNTHETIC, description="a folder of faces, or synthetic")
    pairs: Path | None = Field(None, description="file of twin pairs; default: found in the data folder")
    trials: int = Field(12, ge=1, le=100_000, description="trials in all; trial 0 is the default configuration")
    epochs: int | None = Field(None, ge=1, le=10_000, description="epochs of a full trial (train.epochs)")
    objective: str | None = Field(None, description="metric; default: val/twin_eer, without twins val/general_eer")
    sampler: Literal["tpe", "random", "grid"] = Field("tpe", description="how values are drawn")
    repeats: bool = Field(False, description="let a configuration be drawn again, which is the same training once more")
    scheduler: Literal["asha", "none"] = Field("asha", description="how bad trials are stopped early")
    reduction_factor: int = Field(3, ge=2, le=10, description="ASHA: one in how many goes on from a rung")
    grace_epochs: int | None = Field(
        None, ge=1, description="ASHA: epochs before the first rung; default: a quarter of the epochs"
    )
    spare: float = Field(
        0.1,
        ge=0,
        le=1,
        description="share of the trials that ASHA would stop which run to the end all the same, to see whether"
        " stopping is right; 0.1 costs 10 to 15 % more epochs",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of the search and of every trial's training")
    concurrency: int | Literal["auto"] = Field("auto", description="trials at once; auto = as many as fit")
    cpus: int | None = Field(None, ge=1, description="CPU cores to schedule; default: those of this machine")
    gpus: int | None = Field(None, ge=0, description="GPUs to schedule, logical ones where there are none")
    cpus_per_trial: float | None = Field(
        None, ge=0.1, description="cores of a trial; default: 1, with GPUs an equal share"
    )
    gpus_per_trial: float | Literal["auto"] = Field(
        "auto", description="GPU share: 0.25, 1, 2; auto = 1 where there is one"
    )
    budget: float | None = Field(
        None, gt=0, description="stop drawing after this time, counted from each start: 90m, 48h, 2d, or seconds"
    )
    tracking: str | None = Field(None, description="MLflow address, or off; default: file store mlflow_experiments/")
    experiment: str = Field(EXPERIMENT, description="MLflow experiment")
    output: Path | None = Field(None, description="folder of the sweeps; default: tune_runs/")
    keep: int = Field(5, ge=1, description="checkpoints kept: those of the best N trials and of running ones")
    results: bool = Field(True, description="make best/ and report.html when the sweep ends (some 10 s)")
    dashboard: bool = Field(False, description="serve Ray's dashboard while the sweep runs, on loopback, with a token")
    tensorboard: bool = Field(False, description="write TensorBoard's files too, one in each trial's folder")
    cache: Path | None = Field(None, description="folder of decoded images; default: .cache below the output folder")

    _concurrency = field_validator("concurrency", mode="after")(at_least_one)
    _gpus_per_trial = field_validator("gpus_per_trial", mode="after")(whole_above_one)
    _budget = field_validator("budget", mode="before")(seconds)

    @field_validator("experiment", mode="after")
    @classmethod
    def _name_of_experiment(cls, value: str, info: ValidationInfo) -> str:
        return value if info.context == STORED else experiment_name(value)

    @field_validator("name", mode="after")
    @classmethod
    def _plain_name(cls, value: str | None) -> str | None:
        if value is not None and not is_plain_name(value):
            raise ValueError(f"name is {value!r}; allowed: letters, digits, '.', '_' and '-', not a leading '.'")
        return value


def is_plain_name(name: str) -> bool:
    """Say whether `name` can be a folder's name and can never leave its parent folder."""
    return re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", name) is not None
