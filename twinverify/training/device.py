"""Where to train and in which precision: what the configuration asks for, checked against what the machine has."""

from dataclasses import dataclass

import torch

from twinverify.errors import UserError
from twinverify.settings import Config, TrainSettings


@dataclass(frozen=True)
class Hardware:
    """A device and its precision.

    Attributes:
        device: where model and images live.
        amp: the type of autocast; None = float32 throughout.
    """

    device: torch.device
    amp: torch.dtype | None

    @property
    def scaled(self) -> bool:
        """Whether losses are scaled up before the backward pass: float16 loses small gradients otherwise."""
        return self.amp is torch.float16

    def autocast(self) -> torch.autocast:
        """Give the context of a forward pass."""
        return torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None)


def choose_hardware(settings: TrainSettings) -> Hardware:
    """Give the device and precision that `settings` ask for; `auto` takes the best that is there.

    Args:
        settings: `device` auto, cpu or cuda; `amp` auto, off, bf16 or fp16. `amp=auto` is bf16 on a GPU that computes
            in it, fp16 on an older one, and off on a CPU, where a small model gains nothing.

    Raises:
        UserError: the machine cannot do what is asked for.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise UserError("train.device=cuda: there is no usable CUDA GPU here; use train.device=cpu or auto")
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    return Hardware(device, _cuda_amp(settings.amp) if on_gpu else _cpu_amp(settings.amp))


def check_device(config: Config) -> None:
    """Refuse a device or precision that this machine does not have, before anything heavy starts.

    Raises:
        UserError: the machine cannot do what `train.device` or `train.amp` ask for.
    """
    choose_hardware(config.train)


def _cuda_amp(amp: str) -> torch.dtype | None:
    # Without `including_emulation=False` a Turing GPU says yes, and is many times slower than in fp16.
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if amp == "bf16" and not has_bf16:
        raise UserError(f"train.amp=bf16: {torch.cuda.get_device_name()} does not compute in it; use fp16, off or auto")
    if amp == "auto":
        return torch.bfloat16 if has_bf16 else torch.float16
    return {"off": None, "bf16": torch.bfloat16, "fp16": torch.float16}[amp]


def _cpu_amp(amp: str) -> torch.dtype | None:
    if amp == "fp16":
        raise UserError("train.amp=fp16: needs a CUDA GPU; use train.amp=off or auto")
    if amp == "bf16" and not cpu_has_bf16():
        raise UserError("train.amp=bf16: this CPU has no bf16 instructions (AVX512-BF16, AMX); use off or auto")
    return torch.bfloat16 if amp == "bf16" else None


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies in bfloat16; without that it is emulated, slower than float32."""
    found = torch.cpu.get_capabilities()
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def gpu_id() -> str | None:
    """Give what names the GPU that this process computes on to every program: its number differs among them."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
