"""Pair-wise cross-attention: SA's weights, both images' keys in one softmax, in training only."""

import pytest
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from twinverify.model.dcal import Dcal
from twinverify.model.pwca import pair_layers
from twinverify.model.vit import embed_patches

PLACEMENTS = ["first", "last", "middle", "all"]
ATTENTION = functional.scaled_dot_product_attention


def _attention_calls(monkeypatch, function=None):
    """Record the number of keys of each attention call, and let `function` do it where given."""
    keys = []

    def attention(query, key, value, **options):
        keys.append(key.shape[2])
        return (function or ATTENTION)(query, key, value, **options)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", attention)
    return keys


def _flops(run):
    """Count the operations of a call; the counter does not know the CPU's fused attention."""
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("placement", "blocks", "layers"),
    [
        ("first", 4, {0, 1, 2, 3}),
        ("last", 4, {8, 9, 10, 11}),
        ("middle", 4, {4, 5, 6, 7}),
        ("all", 4, {1, 4, 7, 10}),
        ("all", 6, {1, 3, 5, 7, 9, 11}),
        ("all", 1, {6}),
        ("last", 0, set()),
        ("all", 0, set()),
    ],
)
def test_where_the_blocks_lie(tiny, placement, blocks, layers):
    settings = tiny(depth=12, pwca__placement=placement, pwca__blocks=blocks).model.pwca

    assert pair_layers(settings, 12) == layers


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("blocks", range(1, 13))
def test_there_are_always_as_many_layers_as_asked_for(tiny, placement, blocks):
    layers = pair_layers(tiny(depth=12, pwca__placement=placement, pwca__blocks=blocks).model.pwca, 12)

    assert len(layers) == blocks
    assert layers <= set(range(12))


@pytest.mark.parametrize("glca_blocks", [0, 1])
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_pwca_equals_sa_when_the_distractors_keys_are_masked(
    tiny, batch, shaken, monkeypatch, placement, blocks, glca_blocks
):
    config = tiny(pwca__placement=placement, pwca__blocks=blocks, glca__blocks=glca_blocks, embedding_width=16)
    model = shaken(Dcal(config.model)).train()

    def own_keys_only(query, key, value, **options):
        mask = torch.arange(key.shape[2]) < 17
        return ATTENTION(query, key, value, attn_mask=mask.expand(query.shape[2], -1), **options)

    open_eyes = model(batch.images, torch.arange(12).roll(1))
    _attention_calls(monkeypatch, own_keys_only)
    masked = model(batch.images, torch.arange(12).roll(1))

    torch.testing.assert_close(masked.pwca, masked.sa)
    assert not torch.allclose(open_eyes.pwca, open_eyes.sa, atol=1e-3)


def _by_the_book(model, images, distractor):
    """PWCA one image and one layer at a time, explicit softmax; image 2 runs through plain timm blocks."""
    backbone = model.backbone
    tokens = embed_patches(backbone, (images - model.mean) / model.std)
    out = []
    for image, other in enumerate(distractor):
        own, second = tokens[image : image + 1], tokens[other : other + 1]
        for layer, block in enumerate(backbone.blocks):
            attn = block.attn

            def parts(x, block=block, attn=attn):
                return attn.qkv(block.norm1(x)).reshape(1, -1, 3, attn.num_heads, attn.head_dim).permute(2, 0, 3, 1, 4)

            q, k, v = parts(own)
            if layer in model.pairs:
                _, k2, v2 = parts(second)
                k, v = torch.cat([k, k2], 2), torch.cat([v, v2], 2)
            weights = (q @ k.transpose(-2, -1) * attn.scale).softmax(-1)
            own = own + block.ls1(attn.proj((weights @ v).transpose(1, 2).flatten(2)))
            own = own + block.ls2(block.mlp(block.norm2(own)))
            second = block(second)
        out.append(backbone.norm(own)[:, 0])
    return torch.cat(out)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_image_two_is_propagated_layer_by_layer(tiny, batch, shaken, placement, blocks):
    config = tiny(pwca__placement=placement, pwca__blocks=blocks, backbone="vit_small_patch14_reg4_dinov2")
    model = shaken(Dcal(config.model)).train()
    distractor = torch.randperm(12)

    pair = model(batch.images, distractor).pwca

    torch.testing.assert_close(pair, _by_the_book(model, batch.images, distractor.tolist()))


def test_sa_and_glca_do_not_notice_the_pwca_stream(tiny, batch):
    model = Dcal(tiny().model).train()

    alone, beside = model(batch.images), model(batch.images, torch.arange(12).roll(1))

    torch.testing.assert_close(alone.sa, beside.sa)
    torch.testing.assert_close(alone.glca, beside.glca)
    assert alone.pwca is None


def test_pwca_adds_no_weight(tiny):
    without, with_it = (sum(w.numel() for w in Dcal(tiny(pwca__blocks=n).model).parameters()) for n in (0, 3))

    assert without == with_it


def test_gradient_flows_into_image_two(tiny, batch):
    model = Dcal(tiny().model).train()
    images = batch.images.clone().requires_grad_()

    model(images, torch.full((12,), 5)).pwca[:5].sum().backward()

    assert images.grad[5].abs().max() > 0
    assert images.grad[6:].abs().max() == 0


def test_there_is_one_joint_softmax_for_each_pwca_layer(tiny, batch, monkeypatch):
    model = Dcal(tiny(pwca__blocks=2).model).train()
    keys = _attention_calls(monkeypatch)

    model(batch.images, torch.arange(12).roll(1))

    assert keys.count(34) == 2
    # 3 layers of SA and one GLCA block; the streams part at layer 1, so layer 0 is shared.
    assert keys.count(17) == 4


@pytest.mark.parametrize("fusion", ["concat", "sa"])
def test_nothing_of_pwca_runs_outside_training(tiny, batch, monkeypatch, fusion):
    model = Dcal(tiny(pwca__blocks=3, glca__fusion=fusion).model).eval()
    plain = Dcal(tiny(pwca__blocks=0, glca__fusion=fusion).model).eval()
    keys = _attention_calls(monkeypatch)

    assert _flops(lambda: model.embed(batch.images)) == _flops(lambda: plain.embed(batch.images))
    assert _flops(lambda: model(batch.images, torch.arange(12))) == _flops(lambda: plain(batch.images))
    assert model(batch.images, torch.arange(12)).pwca is None
    model.train().embed(batch.images)
    assert set(keys) == {17}


def test_an_embedding_without_glca_pays_nothing_for_it(tiny, batch):
    images = batch.images
    off, unused, used = (
        Dcal(tiny(glca__blocks=blocks, glca__fusion=fusion).model).eval()
        for blocks, fusion in [(0, "concat"), (1, "sa"), (1, "concat")]
    )

    assert (
        _flops(lambda: unused.embed(images)) == _flops(lambda: off.embed(images)) < _flops(lambda: used.embed(images))
    )
