"""What a step of DCAL costs beside the bare ViT's, counted: FLOPs, bytes kept for the backward pass, operations.

Each bound stands a few per cent above what was counted when it was set (in brackets): who crosses it has made the step
dearer. Seconds are `benchmarks/training_step.py`'s.
"""

import counted_step
import pytest

TINY = "vit_tiny_patch16_224"


@pytest.fixture(scope="module", params=[112, 448])
def counts(request):
    """Give the size in pixels, and the counts of the bare ViT and of DCAL: 50 tokens, and 785."""
    return request.param, counted_step.bare(TINY, request.param), counted_step.dcal(TINY, request.param)


def test_flops_beside_the_bare_vit(counts):
    size, bare, dcal = counts

    assert dcal.flops / bare.flops < {112: 2.0, 448: 2.42}[size]  # (1.97, 2.38)


def test_bytes_kept_for_the_backward_pass_beside_the_bare_vit(counts):
    _, bare, dcal = counts

    assert dcal.kept / bare.kept < 2.3  # (2.27)


def test_no_attention_map_of_the_batch_exists(counts):
    size, _, dcal = counts
    tokens = (size // 16) ** 2 + 1
    hidden, maps = 2 * counted_step.IMAGES * tokens * 4 * 192, counted_step.IMAGES * 3 * tokens**2

    assert dcal.largest == hidden  # of the MLP, both streams at once
    assert size == 112 or dcal.largest < maps


def test_operations_of_a_step(counts):
    _, bare, dcal = counts

    assert dcal.calls < 3 * bare.calls
