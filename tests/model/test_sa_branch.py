"""The SA branch is the plain timm model, weight for weight and number for number."""

import pytest
import timm
import torch
from timm.layers import SwiGLU

from twinverify.errors import UserError
from twinverify.model.dcal import Dcal
from twinverify.model.pwca import run_streams
from twinverify.model.vit import build_backbone, embed_patches
from twinverify.settings import ModelSettings

NAMES = [
    "vit_tiny_patch16_224",
    "deit_small_patch16_224",
    "deit_tiny_distilled_patch16_224",  # two tokens before the patches
    "deit3_small_patch16_224",  # layer scale, class token without a position
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",  # layer scale and four registers
    "vit_base_patch16_clip_224",  # a norm before the blocks
    "vit_base_patch16_224_miil",  # no bias of queries, keys and values
]
SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("glca_blocks", [0, 1])
def test_sa_equals_the_timm_model_of_the_same_weights(tiny, batch, shaken, name, glca_blocks):
    model = Dcal(tiny(backbone=name, glca__blocks=glca_blocks).model).eval()
    plain = shaken(timm.create_model(name, num_classes=0, global_pool="token", **SIZES)).eval()

    model.backbone.load_state_dict(plain.state_dict(), strict=True)

    images = (batch.images - model.mean) / model.std
    torch.testing.assert_close(model(batch.images).sa, plain.forward_features(images)[:, 0])


@pytest.mark.parametrize(
    "options", [{"qk_norm": True}, {"scale_attn_norm": True, "scale_mlp_norm": True}, {"mlp_layer": SwiGLU}]
)
def test_blocks_with_other_parts_equal_timms(shaken, options):
    plain = shaken(timm.create_model(NAMES[0], num_classes=0, **SIZES, **options)).eval()
    images = torch.rand(2, 3, 32, 32)

    streams = run_streams(plain.blocks, embed_patches(plain, images))

    torch.testing.assert_close(plain.norm(streams.tokens), plain.forward_features(images))


def test_images_are_normalised_as_the_backbone_was_trained(tiny):
    assert Dcal(tiny(backbone="vit_tiny_patch16_224").model).mean.flatten().tolist() == [0.5, 0.5, 0.5]
    deit = Dcal(tiny(backbone="deit_tiny_patch16_224").model)
    torch.testing.assert_close(deit.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    torch.testing.assert_close(deit.std.flatten(), torch.tensor([0.229, 0.224, 0.225]))


def test_timms_own_classifier_is_gone(tiny):
    backbone = build_backbone(tiny().model)

    for part in (backbone.head, backbone.fc_norm, backbone.head_drop):
        assert not list(part.parameters())
    assert backbone.attn_pool is None


def test_the_sizes_set_are_the_sizes_built(tiny):
    backbone = build_backbone(tiny(drop_path=0.2, dropout=0.1).model)

    assert backbone.patch_embed.grid_size == (4, 4)
    assert (backbone.embed_dim, len(backbone.blocks), backbone.blocks[0].attn.num_heads) == (48, 3, 3)
    assert backbone.blocks[-1].drop_path1.drop_prob == pytest.approx(0.2)
    assert backbone.blocks[0].mlp.drop1.p == backbone.blocks[0].attn.proj_drop.p == 0.1


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_frozen_blocks_and_all_before_them_do_not_train(tiny, blocks):
    model = Dcal(tiny(frozen_blocks=blocks, backbone="vit_small_patch14_reg4_dinov2").model)

    frozen = {name.split(".")[0] for name, w in model.backbone.named_parameters() if not w.requires_grad}
    stem = {"cls_token", "reg_token", "pos_embed", "patch_embed"}
    assert frozen == (stem | {"blocks"} if blocks else set())
    for index, block in enumerate(model.backbone.blocks):
        assert {w.requires_grad for w in block.parameters()} == {index >= blocks}
    assert all(w.requires_grad for w in [*model.glca.parameters(), *model.glca_norm.parameters()])


def test_a_frozen_part_stays_and_all_else_moves_in_a_training_step(tiny, step):
    done = step(tiny(frozen_blocks=1, drop_path=0.0))
    before = {name: weight.detach().clone() for name, weight in done.weights().items()}

    torch.optim.SGD([w for w in done.weights().values() if w.requires_grad], lr=1.0).step()

    for name, weight in done.weights().items():
        assert torch.equal(weight, before[name]) != weight.requires_grad, name


def test_pretrained_weights_that_cannot_be_fetched_name_the_way_out(monkeypatch):
    def no_network(*_, pretrained, **__):
        assert pretrained
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(timm, "create_model", no_network)

    with pytest.raises(UserError, match=r"model.pretrained.*Name or service not known.*model.weights=FILE"):
        Dcal(ModelSettings(backbone="vit_tiny_patch16_224", pretrained=True))


def test_nothing_is_fetched_by_default(monkeypatch, tiny):
    asked = []
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: asked.append(k["pretrained"]) or create(*a, **k))

    Dcal(tiny().model)

    assert asked == [False]


@pytest.mark.parametrize("name", ["vit_base_patch16_xp_224", "vit_base_patch16_18x2_224"])
def test_blocks_of_another_order_are_refused(tiny, name):
    settings = tiny(depth=1, pwca__blocks=0).model.model_copy(update={"backbone": name})

    with pytest.raises(UserError, match=f"{name} has other blocks"):
        build_backbone(settings)


def test_the_same_seed_gives_the_same_model_and_step(tiny, step):
    config = tiny(drop_path=0.2, dropout=0.1, glca__selection="random")

    once, again = step(config), step(config)

    assert once.total == again.total
    for name, weight in once.weights().items():
        assert torch.equal(weight.grad, again.weights()[name].grad), name
