"""What a sweep's start loads, and when: told by a Python of its own, since this one has loaded everything."""

import subprocess
import sys

#: Fails with what has been loaded of some modules.
CHECK = """
import sys
loaded = [name for name in {names} if name in sys.modules]
assert not loaded, loaded
"""


def loads_none(code: str, *names: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code + CHECK.format(names=names)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_command_loads_nothing_heavy_before_it_knows_that_it_can_start() -> None:
    loads_none("import twinverify.tune", "ray", "mlflow", "torch", "scipy", "sklearn", "pandas")


def test_ray_is_started_before_tune_is_loaded() -> None:
    loads_none("import twinverify.search.ray_run", "ray.tune", "mlflow", "torch")


def test_the_first_trial_does_not_wait_for_mlflow() -> None:
    code = """
from pathlib import Path
from types import SimpleNamespace
from twinverify.environment import prepare
prepare()
from twinverify.search.tracked import callbacks, open_courier, sampled
split = SimpleNamespace(train=SimpleNamespace(name="x", image_paths=[]))
options = SimpleNamespace(tracking="file:./nowhere", experiment="x")
plan = SimpleNamespace(options=options, space=SimpleNamespace(name="x"), split=split)
state = SimpleNamespace(trials=[])
courier = open_courier(plan, state, lambda reason: None)
assert courier is not None
with sampled(tracked=True) as machine:
    assert machine(0, None)
callbacks(state, courier)
"""
    loads_none(code, "mlflow")


def test_what_workers_load_ahead_leaves_the_gpus_alone() -> None:
    # Which of them a trial may see is known only later; CUDA looks once.
    code = """
import torch

def looks(*_):
    raise AssertionError("CUDA was looked at")

for name in ("is_available", "device_count", "_lazy_init"):
    setattr(torch.cuda, name, looks)
torch._C._cuda_getDeviceCount = looks
from importlib import import_module
from twinverify.search.ray_run import TRAINING
for name in TRAINING:
    import_module(name)
assert not torch.cuda.is_initialized()
"""
    loads_none(code, "mlflow")
