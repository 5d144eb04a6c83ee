"""What a trial gets of this machine: how many trials run at once, on which share of a GPU."""

import os
from dataclasses import dataclass
from math import floor

from twinverify.errors import UserError, counted
from twinverify.gpus import count_gpus
from twinverify.search.options import TuneOptions

#: Ray counts resources in steps of 1/10,000.
_GRAIN = 1e-4


@dataclass(frozen=True)
class Resources:
    """What Ray is told to schedule. CPUs in cores, GPUs in devices (logical ones where there are none)."""

    cpus: int
    gpus: int
    cpus_per_trial: float
    gpus_per_trial: float
    slots: int

    @property
    def threads(self) -> int:
        """Computing threads of one trial."""
        return max(1, floor(self.cpus_per_trial))


def plan_resources(options: TuneOptions) -> Resources:
    """Turn the options into slots.

    Raises:
        UserError: a share is asked for that this machine cannot give.
    """
    found = count_gpus()
    gpus = found if options.gpus is None else options.gpus
    cpus = options.cpus or _count_cores()
    share = (1.0 if gpus else 0.0) if options.gpus_per_trial == "auto" else float(options.gpus_per_trial)
    if share and not gpus:
        raise UserError(
            f"gpus_per_trial={share:g}: this machine has no GPU; leave it out, or declare logical ones with gpus=N"
        )
    if share > gpus:
        raise UserError(f"gpus_per_trial={share:g}: only {counted(gpus, 'GPU')} to share; allowed: 0 to {gpus}")
    by_gpu = _slots_by_gpu(gpus, share)
    cores = options.cpus_per_trial or (float(max(1, cpus // by_gpu)) if by_gpu else 1.0)
    if cores > cpus:
        raise UserError(
            f"cpus_per_trial={cores:g}: only {cpus} cores to share; allowed: up to {cpus}, or declare cpus=N"
        )
    fit = floor(cpus / cores + _GRAIN)
    fit = min(fit, by_gpu) if by_gpu else fit
    if isinstance(options.concurrency, int):
        if options.concurrency > fit:
            raise UserError(
                f"concurrency={options.concurrency}: only {fit} trials of {cores:g} cores and {share:g} GPUs fit"
                f" into {cpus} cores and {gpus} GPUs; allowed: 1 to {fit}"
            )
        fit = options.concurrency
    return Resources(cpus, gpus, cores, share, fit)


def _count_cores() -> int:
    """Count the CPU cores that this process may use, where the system tells (Linux); else those there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _slots_by_gpu(gpus: int, share: float) -> int:
    """Give how many trials the GPUs hold; a share below one never spans two of them."""
    if not share:
        return 0
    return gpus * floor(1 / share + _GRAIN) if share < 1 else floor(gpus / share)
