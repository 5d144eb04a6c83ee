"""Global-local cross-attention: a full block of its own over selected queries and all keys."""

import pytest
import timm
import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from twinverify.model.dcal import Dcal
from twinverify.model.glca import glca_blocks, glca_tokens, local_count


def _by_the_book(block, queries, tokens):
    """One GLCA block with explicit attention over all tokens, all by timm's modules."""
    attn = block.attn
    count, _, width = tokens.shape

    def heads(projected):
        return projected.reshape(count, -1, attn.num_heads, width // attn.num_heads).transpose(1, 2)

    q = attn.q_norm(heads(attn.qkv(block.norm1(queries))[..., :width]))
    k = attn.k_norm(heads(attn.qkv(block.norm1(tokens))[..., width : 2 * width]))
    v = heads(attn.qkv(block.norm1(tokens))[..., 2 * width :])
    weights = (q @ k.transpose(-2, -1) / (width // attn.num_heads) ** 0.5).softmax(-1)
    queries = queries + block.ls1(attn.proj((weights @ v).transpose(1, 2).reshape(count, -1, width)))
    return queries + block.ls2(block.mlp(block.norm2(queries)))


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("heads", [1, 3, 8])
@pytest.mark.parametrize("options", [{}, {"init_values": 0.1}, {"qk_norm": True}])
def test_selected_queries_attend_to_all_tokens(tiny, shaken, blocks, heads, options):
    backbone = timm.create_model("vit_tiny_patch16_224", embed_dim=48, depth=2, num_heads=6, **options)
    glca = shaken(glca_blocks(backbone, tiny(glca__blocks=blocks, glca__heads=heads).model.glca)).eval()
    tokens, picked = torch.randn(2, 9, 48), torch.tensor([[3, 8], [1, 2]])

    expected = torch.stack([tokens[0, [0, 3, 8]], tokens[1, [0, 1, 2]]])
    for block in glca:
        expected = _by_the_book(block, expected, tokens)

    torch.testing.assert_close(glca_tokens(glca, tokens, picked), expected)


def test_blocks_have_weights_of_their_own(tiny):
    model = Dcal(tiny(glca__blocks=3).model)

    parts = [model.backbone, *model.glca, model.glca_norm, model.necks]
    weights = [id(w) for part in parts for w in part.parameters()]
    assert len(weights) == len(set(weights))
    for block in model.glca:
        shapes = {name: w.shape for name, w in block.named_parameters()}
        assert shapes == {name: w.shape for name, w in model.backbone.blocks[-1].named_parameters()}


@pytest.mark.parametrize("heads", [1, 4, 6])
def test_a_copy_is_the_last_block_whatever_the_heads(tiny, heads):
    model = Dcal(tiny(glca__blocks=2, glca__heads=heads, glca__init="copy").model)

    for block in model.glca:
        assert block.attn.num_heads == heads
        assert block.attn.scale == (48 / heads) ** -0.5
        for name, value in block.state_dict().items():
            assert torch.equal(value, model.backbone.blocks[-1].state_dict()[name]), name


def test_a_random_start_follows_timms_scheme_and_differs_by_block(tiny, shaken):
    shaken(backbone := timm.create_model("vit_tiny_patch16_224", embed_dim=48, depth=2, num_heads=3, init_values=0.1))

    first, second = glca_blocks(backbone, tiny(glca__blocks=2, glca__init="random").model.glca)

    for block in (first, second):
        assert 0.017 < block.attn.qkv.weight.std() < 0.023
        assert not block.attn.qkv.bias.any()
        assert torch.equal(block.norm1.weight, torch.ones(48))
        assert torch.equal(block.ls1.gamma, torch.full((48,), 0.1))
    assert not torch.equal(first.mlp.fc1.weight, second.mlp.fc1.weight)


@pytest.mark.parametrize(("ratio", "patches", "count"), [(0.15, 16, 2), (0.01, 16, 1), (1.0, 16, 16), (0.3, 784, 235)])
def test_the_share_of_local_queries(tiny, ratio, patches, count):
    assert local_count(tiny(glca__local_ratio=ratio).model.glca, patches) == count


def _picked(model, images, monkeypatch):
    taken = []
    monkeypatch.setattr(
        "twinverify.model.dcal.glca_tokens", lambda blocks, tokens, picked: taken.append(picked) or tokens[:, :3]
    )
    model(images)
    return taken[0]


@pytest.mark.parametrize("selection", ["rollout", "last_layer", "random"])
@pytest.mark.parametrize("name", ["vit_small_patch14_reg4_dinov2", "deit_tiny_distilled_patch16_224"])
def test_tokens_before_the_patches_are_never_local_queries(tiny, batch, monkeypatch, name, selection):
    model = Dcal(tiny(backbone=name, glca__local_ratio=1.0, glca__selection=selection).model)
    prefix = model.backbone.num_prefix_tokens

    picked = _picked(model, batch.images, monkeypatch)

    assert prefix > 1
    assert torch.equal(picked.sort(1).values, torch.arange(prefix, 16 + prefix).expand(12, -1))


def test_rollout_picks_the_patches_with_the_largest_row(tiny, batch, monkeypatch):
    model = Dcal(tiny(glca__local_ratio=0.25).model).eval()

    picked = _picked(model, batch.images, monkeypatch)

    assert torch.equal(picked, model.look(batch.images).topk(4).indices + 1)


def test_last_layer_picks_by_the_last_layer_alone(tiny, batch, shaken, monkeypatch):
    one = shaken(Dcal(tiny(depth=1, pwca__blocks=0, glca__local_ratio=0.5).model)).eval()
    same = Dcal(tiny(depth=1, pwca__blocks=0, glca__local_ratio=0.5, glca__selection="last_layer").model).eval()
    same.load_state_dict(one.state_dict())

    assert torch.equal(_picked(one, batch.images, monkeypatch), _picked(same, batch.images, monkeypatch))


def test_random_selection_is_by_image_in_training_and_one_fixed_set_in_evaluation(tiny, batch, monkeypatch):
    model = Dcal(tiny(glca__selection="random", glca__local_ratio=0.5).model)

    torch.manual_seed(5)
    first = _picked(model.train(), batch.images, monkeypatch).sort(1).values
    torch.manual_seed(5)
    again = _picked(model, batch.images, monkeypatch).sort(1).values
    other = _picked(model, batch.images, monkeypatch).sort(1).values
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(first.unique(dim=0)) > 1

    fixed = _picked(model.eval(), batch.images, monkeypatch)
    assert len(fixed.unique(dim=0)) == 1
    assert torch.equal(fixed[:1], _picked(model, batch.images[3:4], monkeypatch))


@pytest.mark.parametrize("fusion", ["concat", "glca"])
@pytest.mark.parametrize("blocks", [1, 2])
def test_the_score_has_a_gradient_for_every_glca_weight(tiny, batch, fusion, blocks):
    model = Dcal(tiny(glca__blocks=blocks, glca__fusion=fusion, embedding_width=16).model).eval()

    first, second = model.embed(batch.images[:2])
    (first @ second).backward()

    for part in (model.glca, model.glca_norm, model.necks["glca"]):
        for name, weight in part.named_parameters():
            assert weight.grad.abs().max() > 0, name


def test_local_queries_reach_the_score(tiny, batch):
    model = Dcal(tiny(glca__fusion="glca", glca__local_ratio=0.2).model).eval()
    more = Dcal(tiny(glca__fusion="glca", glca__local_ratio=0.6).model).eval()
    more.load_state_dict(model.state_dict())

    assert (model.embed(batch.images) - more.embed(batch.images)).abs().max() > 1e-4


def test_embed_fuses_the_branches_as_asked(tiny, batch):
    models = {
        fusion: Dcal(tiny(glca__fusion=fusion, embedding_width=8).model).eval() for fusion in ("concat", "sa", "glca")
    }
    for model in models.values():
        model.load_state_dict(models["concat"].state_dict())
    branches = models["sa"](batch.images)
    sa, glca = functional.normalize(branches.sa), functional.normalize(branches.glca)

    torch.testing.assert_close(models["sa"].embed(batch.images), sa)
    torch.testing.assert_close(models["glca"].embed(batch.images), glca)
    both = models["concat"].embed(batch.images)
    torch.testing.assert_close(both @ both.T, (sa @ sa.T + glca @ glca.T) / 2)
    for fusion, model in models.items():
        assert model.embed(batch.images).shape == (12, model.embedding)
        assert model.embedding == (16 if fusion == "concat" else 8)


def test_only_the_selected_queries_are_computed(tiny, batch):
    def flops(ratio):
        model = Dcal(tiny(glca__local_ratio=ratio, pwca__blocks=0).model).eval()
        # The counter does not know the CPU's fused kernel.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(batch.images[:1])
        return counter.get_total_flops()

    # Each local token costs its query, its projection, its MLP (20 D^2) and two rows of attention (4 T D).
    assert flops(0.5) - flops(0.25) == 4 * (20 * 48 * 48 + 4 * 17 * 48)
