"""Seeds by purpose, and a process that is left as it was found."""

import random

import numpy as np
import pytest
import torch

from twinverify.training.randomness import derived_seed, generator, own_process_state


def test_seeds_differ_by_seed_epoch_and_purpose():
    seeds = {derived_seed(s, e, p) for s in range(4) for e in range(6) for p in ("process", "augment", "distractors")}
    assert len(seeds) == 4 * 6 * 3


def test_inside_all_generators_are_a_function_of_seed_and_epoch():
    def draw(seed, epoch):
        with own_process_state(seed, epoch):
            return random.random(), np.random.random(), torch.rand(()).item()

    random.seed(1)
    first = draw(0, 1)
    torch.manual_seed(5)
    np.random.seed(5)
    assert draw(0, 1) == first
    assert all(a != b for a, b in zip(draw(0, 2), first, strict=True))
    assert all(a != b for a, b in zip(draw(1, 1), first, strict=True))
    assert torch.equal(
        torch.rand(3, generator=generator(0, 1, "augment")), torch.rand(3, generator=generator(0, 1, "augment"))
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_process_has_its_own_state_back_afterwards(fails):
    def peek():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    before = peek()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            try:
                with own_process_state(3, 1):
                    assert torch.is_grad_enabled()
                    assert torch.zeros(1).dtype is torch.float32
                    random.random(), np.random.random(), torch.rand(1)
                    if fails:
                        raise KeyError
            except KeyError:
                assert fails
            assert not torch.is_grad_enabled()
            assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert peek() == before
