"""Device and precision: auto takes the best, the impossible is refused before training."""

import pytest
import torch

from twinverify.errors import UserError
from twinverify.training import device
from twinverify.training.device import check_device, choose_hardware


@pytest.fixture
def machine(monkeypatch):
    def make(cuda=False, cuda_bf16=False, cpu_bf16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: cuda_bf16)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA GeForce RTX 2080 Ti")
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu_bf16})

    return make


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [
        ({}, {}, ("cpu", None)),
        ({"cpu_bf16": True}, {}, ("cpu", None)),
        ({"cpu_bf16": True}, {"train.amp": "bf16"}, ("cpu", torch.bfloat16)),
        ({"cuda": True, "cuda_bf16": True}, {}, ("cuda", torch.bfloat16)),
        ({"cuda": True}, {}, ("cuda", torch.float16)),
        ({"cuda": True, "cuda_bf16": True}, {"train.amp": "fp16"}, ("cuda", torch.float16)),
        ({"cuda": True, "cuda_bf16": True}, {"train.amp": "off"}, ("cuda", None)),
        ({"cuda": True, "cuda_bf16": True}, {"train.device": "cpu"}, ("cpu", None)),
    ],
)
def test_auto_takes_the_best_and_a_wish_is_kept(machine, small, has, wanted, expected):
    machine(**has)
    hardware = choose_hardware(small(wanted).train)
    assert (hardware.device.type, hardware.amp) == expected
    assert hardware.scaled is (expected[1] is torch.float16)


@pytest.mark.parametrize(
    ("has", "wanted", "message"),
    [
        ({}, {"train.device": "cuda"}, "train.device=cuda: there is no usable CUDA GPU"),
        ({}, {"train.amp": "fp16"}, "train.amp=fp16: needs a CUDA GPU"),
        ({}, {"train.amp": "bf16"}, "train.amp=bf16: this CPU has no bf16"),
        ({"cuda": True}, {"train.amp": "bf16"}, "train.amp=bf16: NVIDIA GeForce RTX 2080 Ti does not"),
    ],
)
def test_what_the_machine_cannot_do_is_refused_by_name(machine, small, has, wanted, message):
    machine(**has)
    with pytest.raises(UserError, match=message):
        check_device(small(wanted))


def test_the_cpus_capability_is_really_asked():
    assert device.cpu_has_bf16() in (True, False)
