"""What the machine does while trainings run, sampled in one thread for all of them, under MLflow's names for it.

MLflow's own sampler stands behind its fluent API, writes with steps and times of its own, and of every GPU; and its
import takes seconds. Here each report gets the means since the one before: they are in the journal with it, and
step = epoch.
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, Self

import psutil

_SECONDS: Final = 2.0
_OF_MACHINE: Final[Mapping[str, Callable[[], float]]] = {
    "cpu_utilization_percentage": psutil.cpu_percent,
    "system_memory_usage_megabytes": lambda: psutil.virtual_memory().used / 1e6,
}
#: Of the GPU that trains, which is called 0: by NVML's module and a handle.
_OF_GPU: Final[Mapping[str, Callable[[Any, Any], float]]] = {
    "utilization_percentage": lambda nvml, gpu: float(nvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
    "memory_usage_megabytes": lambda nvml, gpu: nvml.nvmlDeviceGetMemoryInfo(gpu).used / 1e6,
    "memory_usage_percentage": lambda nvml, gpu: _share(nvml.nvmlDeviceGetMemoryInfo(gpu)),
}

Sums = dict[str, tuple[float, int]]


class Machine:
    """Samples from `with` on until its end."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        """Start nothing yet; a sample is taken every so many seconds."""
        self._seconds = seconds
        self._readings: dict[str, Callable[[], float]] = dict(_OF_MACHINE)
        self._gpus: dict[str, int] = {}
        self._sums: Sums = {}
        self._before: dict[int, Sums] = {}
        self._guard, self._stop = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="machine", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        with suppress(Exception):  # no driver, no library: no GPU
            import pynvml

            pynvml.nvmlInit()
            self._watch_gpus(pynvml)
        self._collect()  # psutil's first reading has nothing to compare with
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stop.set()
        self._thread.join(10)  # a sample takes milliseconds

    def since(self, training: int, gpu: str | None) -> dict[str, float]:
        """Give the means since a training was last asked about, as `system/…`; at first since the beginning.

        Args:
            training: which one.
            gpu: the id of the GPU that it trains on; None for none.
        """
        with self._guard:
            before = self._before.get(training, {})
            if all(count == before.get(name, (0, 0))[1] for name, (_, count) in self._sums.items()):
                self._add(self._collect())
            now = dict(self._sums)
        self._before[training] = now
        wanted = {name: name for name in _OF_MACHINE}
        if gpu in self._gpus:
            wanted |= {f"gpu_{self._gpus[gpu]}_{name}": f"gpu_0_{name}" for name in _OF_GPU}
        return {
            f"system/{told}": mean for name, told in wanted.items() if (mean := _mean(now, before, name)) is not None
        }

    def _watch_gpus(self, nvml: Any) -> None:
        for number in range(nvml.nvmlDeviceGetCount()):
            gpu = nvml.nvmlDeviceGetHandleByIndex(number)
            self._gpus[str(nvml.nvmlDeviceGetUUID(gpu)).removeprefix("GPU-")] = number
            for name, read in _OF_GPU.items():
                self._readings[f"gpu_{number}_{name}"] = partial(read, nvml, gpu)

    def _work(self) -> None:
        with self._guard:
            self._collect()  # psutil compares with the last reading of the same thread
        while not self._stop.wait(self._seconds):
            with self._guard:
                self._add(self._collect())

    def _collect(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, read in self._readings.items():
            with suppress(Exception):  # a driver that fails, no file handle left: nothing is told, and training goes on
                found[name] = read()
        return found

    def _add(self, sample: Mapping[str, float]) -> None:
        for name, value in sample.items():
            total, count = self._sums.get(name, (0.0, 0))
            self._sums[name] = total + value, count + 1


def _mean(now: Sums, before: Sums, name: str) -> float | None:
    total, count = now.get(name, (0.0, 0))
    total_before, count_before = before.get(name, (0.0, 0))
    return round((total - total_before) / (count - count_before), 1) if count > count_before else None


def _share(memory: Any) -> float:
    return 100 * float(memory.used) / float(memory.total)
