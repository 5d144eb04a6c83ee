"""Everything random in an epoch is a function of (seed, epoch, purpose), whatever ran in the process before.

So a run gives the same numbers to the last digit in a fresh process, in one where other trials left their seeds, and
after a resume; and no random state has to be stored.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

Purpose = Literal["process", "augment", "distractors"]
_PURPOSES: tuple[Purpose, ...] = ("process", "augment", "distractors")


def derived_seed(seed: int, epoch: int, purpose: Purpose) -> int:
    """Give a 32-bit seed for one purpose in one epoch; epoch 0 is the initial weights."""
    return int(np.random.SeedSequence((seed, epoch, _PURPOSES.index(purpose))).generate_state(1)[0])


def generator(seed: int, epoch: int, purpose: Purpose) -> torch.Generator:
    """Give a generator of its own for one purpose in one epoch. On the CPU, so that a GPU draws the same numbers."""
    return torch.Generator().manual_seed(derived_seed(seed, epoch, purpose))


@contextmanager
def own_process_state(seed: int, epoch: int) -> Iterator[None]:
    """Set seeds, gradient mode, default type and matmul precision for one epoch; put back what was there before.

    The number of threads is the caller's: it belongs to the resources of a trial, not to its configuration.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state(), _cuda_states()
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    try:
        with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
            torch.set_default_dtype(torch.float32)
            torch.set_float32_matmul_precision("highest")
            _seed_all(derived_seed(seed, epoch, "process"))
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_float32_matmul_precision(precision)
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
        if before[3]:
            torch.cuda.set_rng_state_all(before[3])


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _cuda_states() -> list[torch.Tensor]:
    # Only where CUDA runs already: asking would start it, which costs a second and 300 MB of GPU memory.
    return torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
