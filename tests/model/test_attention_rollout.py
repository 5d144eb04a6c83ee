"""The rollout's row against the direct product of explicit maps."""

import pytest
import torch

from twinverify.model import rollout
from twinverify.model.dcal import Dcal
from twinverify.model.rollout import class_row, rollout_row


def _explicit_maps(model, images):
    """Head-averaged attention (B, T, T) of each layer, from the inputs of timm's own attention modules."""
    maps = []

    def record(attn, inputs):
        (normed,) = inputs
        count, tokens, _ = normed.shape
        q, k, _ = attn.qkv(normed).reshape(count, tokens, 3, attn.num_heads, -1).permute(2, 0, 3, 1, 4)
        scores = attn.q_norm(q) @ attn.k_norm(k).transpose(-2, -1) * attn.scale
        maps.append(scores.softmax(-1).mean(1))

    hooks = [block.attn.register_forward_pre_hook(record) for block in model.backbone.blocks]
    with torch.no_grad():
        model.backbone((images - model.mean) / model.std)
    for hook in hooks:
        hook.remove()
    return maps


def _direct_product(maps, residual):
    whole = torch.eye(maps[0].shape[-1])
    for layer in maps:
        whole = ((1 - residual) * layer + residual * torch.eye(layer.shape[-1])) @ whole
    return whole


@pytest.mark.parametrize("residual", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_the_row_equals_the_product_of_all_maps(tiny, batch, shaken, name, residual):
    model = shaken(Dcal(tiny(backbone=name, glca__rollout_residual=residual).model)).eval()
    prefix = model.backbone.num_prefix_tokens

    whole = _direct_product(_explicit_maps(model, batch.images), residual)

    torch.testing.assert_close(model.look(batch.images), whole[:, 0, prefix:])
    torch.testing.assert_close(whole.sum(-1), torch.ones(12, 16 + prefix))


def _trail(layers=3, images=5, heads=2, tokens=7, dtype=torch.float32):
    return [tuple(torch.randn(2, images, heads, tokens, 4, dtype=dtype)) for _ in range(layers)]


def test_each_row_sums_to_one():
    assert torch.allclose(rollout_row(_trail(), 0.4).sum(1), torch.ones(5))


def test_one_layer_gives_its_class_row():
    trail = _trail(layers=1)

    torch.testing.assert_close(rollout_row(trail, 0.0), class_row(*trail[0]))


def test_the_order_of_the_layers_matters():
    trail = _trail()

    assert not torch.allclose(rollout_row(trail, 0.5), rollout_row(trail[::-1], 0.5))


@pytest.mark.parametrize("chunk", [1, 7 * 7, 3 * 7 * 7])
def test_cutting_the_batch_changes_nothing(monkeypatch, chunk):
    trail = _trail()
    whole = rollout_row(trail, 0.5)

    monkeypatch.setattr(rollout, "CHUNK_CPU", chunk)

    torch.testing.assert_close(rollout_row(trail, 0.5), whole)


def test_the_row_is_float32_under_autocast():
    trail = _trail()
    with torch.autocast("cpu", torch.bfloat16):
        row = rollout_row(trail, 0.5)

    assert row.dtype == torch.float32
    torch.testing.assert_close(row, rollout_row(trail, 0.5))
    assert rollout_row(_trail(dtype=torch.bfloat16), 0.5).dtype == torch.float32


def test_no_gradient_flows_through_the_selection(tiny, batch, monkeypatch):
    model = Dcal(tiny().model).train()
    rows = []
    original = Dcal._patch_scores
    monkeypatch.setattr(Dcal, "_patch_scores", lambda *a: rows.append(original(*a)) or rows[-1])

    model(batch.images)

    assert rows
    assert not rows[0].requires_grad


def test_attention_dropout_does_not_reach_the_selection(tiny, batch, monkeypatch):
    model = Dcal(tiny(depth=1, pwca__blocks=0).model)
    rows = []
    original = Dcal._patch_scores
    monkeypatch.setattr(Dcal, "_patch_scores", lambda *a: rows.append(original(*a)) or rows[-1])

    before = model.eval()(batch.images).sa
    model.backbone.blocks[0].attn.attn_drop.p = 0.9
    after = model.train()(batch.images).sa

    assert not torch.allclose(before, after)
    torch.testing.assert_close(rows[0], rows[1])
