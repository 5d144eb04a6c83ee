"""The keys of `python -m twinverify.confirm`."""

from pathlib import Path
from typing import Final, Literal

from pydantic import Field, field_validator

from twinverify.search.options import at_least_one, seconds, whole_above_one
from twinverify.settings import Settings

#: Where and how fast the trainings run; what is not given here is as it was in the sweep.
RUNNING: Final = frozenset(
    {"concurrency", "cpus", "gpus", "cpus_per_trial", "gpus_per_trial", "budget", "tracking", "cache"}
)


class ConfirmOptions(Settings):
    """Which sweep to confirm, how thoroughly, and on what."""

    names: list[str] = Field([], description="the sweep: a word without a key")
    top: int = Field(5, ge=1, le=50, description="configurations of the sweep to train again, the best first")
    seeds: int = Field(5, ge=2, le=50, description="trainings of each, and of the default: seed and split drawn anew")
    test: bool = Field(True, description="open the sealed test at the end; false: leave it closed")
    again: bool = Field(False, description="open it although it has been opened before; the result is stamped so")
    concurrency: int | Literal["auto"] = Field("auto", description="trainings at once; auto = as many as fit")
    cpus: int | None = Field(None, ge=1, description="CPU cores to schedule; default: those of this machine")
    gpus: int | None = Field(None, ge=0, description="GPUs to schedule, logical ones where there are none")
    cpus_per_trial: float | None = Field(None, ge=0.1, description="cores of a training; default: as in the sweep")
    gpus_per_trial: float | Literal["auto"] = Field("auto", description="GPU share; default: as in the sweep")
    budget: float | None = Field(
        None, gt=0, description="stop starting trainings after this time: 90m, 48h, 2d, or seconds"
    )
    tracking: str | None = Field(None, description="MLflow address, or off; default: as in the sweep")
    cache: Path | None = Field(None, description="folder of decoded images; default: as in the sweep")
    output: Path | None = Field(None, description="folder of the sweeps; default: tune_runs/")

    _concurrency = field_validator("concurrency", mode="after")(at_least_one)
    _gpus_per_trial = field_validator("gpus_per_trial", mode="after")(whole_above_one)
    _budget = field_validator("budget", mode="before")(seconds)
