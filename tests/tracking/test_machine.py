"""What the machine does, under MLflow's names, as means between two reports of a training."""

import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from twinverify.environment import prepare

prepare()

from twinverify.tracking.machine import Machine  # noqa: E402

CPU = {"system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
GPU = {
    f"system/gpu_0_{name}" for name in ("utilization_percentage", "memory_usage_megabytes", "memory_usage_percentage")
}


class FakeNvml:
    """Two GPUs, of which the second is busy; the names of nvidia-ml-py."""

    class NVMLError(Exception):
        pass

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        raise self.NVMLError

    nvmlDeviceGetEnforcedPowerLimit = nvmlDeviceGetPowerUsage  # noqa: N815

    def __init__(self) -> None:
        self.used = [1, 40]

    def nvmlInit(self) -> None: ...  # noqa: N802

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return ("GPU-aaaa", "GPU-bbbb")[handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(used=self.used[handle] * 1e9, total=80e9)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(gpu=(3, 97)[handle])


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> FakeNvml:
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    return fake


@pytest.fixture
def idle() -> Iterator[Machine]:
    """A machine that samples only when it is asked."""
    with Machine(seconds=1000) as machine:
        machine._stop.set()
        yield machine


def test_without_a_gpu_cpu_and_memory_are_told(idle: Machine) -> None:
    told = idle.since(0, None)
    assert set(told) == CPU
    assert 0 <= told["system/cpu_utilization_percentage"] <= 100
    assert told["system/system_memory_usage_megabytes"] > 1


def test_of_the_gpus_the_one_that_trains_is_told_and_called_0(nvml: FakeNvml, idle: Machine) -> None:
    told = idle.since(0, "bbbb")
    assert set(told) == CPU | GPU
    assert told["system/gpu_0_utilization_percentage"] == 97
    assert told["system/gpu_0_memory_usage_megabytes"] == 40_000
    assert told["system/gpu_0_memory_usage_percentage"] == 50


@pytest.mark.parametrize("gpu", [None, "cccc"])
def test_a_training_on_no_known_gpu_is_told_of_none(nvml: FakeNvml, idle: Machine, gpu: str | None) -> None:
    assert set(idle.since(0, gpu)) == CPU


def test_the_means_are_those_since_the_last_report_of_the_same_training(nvml: FakeNvml, idle: Machine) -> None:
    memory = "system/gpu_0_memory_usage_megabytes"
    assert idle.since(0, "bbbb")[memory] == 40_000
    nvml.used[1] = 20
    assert idle.since(0, "bbbb")[memory] == 20_000
    # Another one that began with the first hears of both.
    assert idle.since(1, "bbbb")[memory] == 30_000


def test_every_report_has_every_value_however_soon_it_comes(idle: Machine) -> None:
    assert all(set(idle.since(0, None)) == CPU for _ in range(5))


def test_a_driver_that_fails_costs_its_values_alone(
    nvml: FakeNvml, idle: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(handle: int) -> Any:
        raise OSError("too many open files")

    monkeypatch.setattr(nvml, "nvmlDeviceGetMemoryInfo", fail)
    assert set(idle.since(0, "bbbb")) == CPU | {"system/gpu_0_utilization_percentage"}


def test_the_names_are_those_under_which_mlflow_shows_one(nvml: FakeNvml, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.system_metrics.metrics import cpu_monitor, gpu_monitor

    monkeypatch.setattr(gpu_monitor, "pynvml", nvml, raising=False)
    told = set()
    for monitor in (cpu_monitor.CPUMonitor(), gpu_monitor.GPUMonitor()):  # type: ignore[no-untyped-call]
        monitor.collect_metrics()  # type: ignore[no-untyped-call]
        told |= {f"system/{name}" for name in monitor.aggregate_metrics()}  # type: ignore[no-untyped-call]
    assert told >= CPU | GPU


def test_it_samples_by_itself_while_nobody_asks() -> None:
    with Machine(seconds=0.01) as machine:
        end = time.monotonic() + 30
        while machine._sums.get("cpu_utilization_percentage", (0, 0))[1] < 3:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert not machine._thread.is_alive()
