"""Weights from a file reach every block, or the error says which they missed."""

import pickle
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from twinverify.errors import UserError
from twinverify.model.dcal import Dcal

SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 3, "num_heads": 3}
NAME = "vit_tiny_patch16_224"

WRAPPINGS = {
    "plain": lambda state: state,
    "model": lambda state: {"model": state, "epoch": 3},
    "state_dict with module.": lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
    "teacher with module.backbone.": lambda state: {
        "student": {},
        "teacher": {f"module.backbone.{k}": v for k, v in state.items()}
        | {"module.head.mlp.0.weight": torch.ones(2, 2)},
    },
}


@pytest.fixture
def plain(shaken):
    """A timm model with a classifier, every weight at random."""
    return shaken(timm.create_model(NAME, num_classes=10, **SIZES)).eval()


def _save(state, path: Path) -> Path:
    state = {name: value.clone() for name, value in state.items()}
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_weight_is_set_whatever_the_wrapping(tiny, plain, tmp_path, wrapping):
    file = tmp_path / "weights.pth"
    torch.save(WRAPPINGS[wrapping](plain.state_dict()), file)

    model = Dcal(tiny(weights=file).model)

    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name


@pytest.mark.parametrize("name", [NAME, "vit_small_patch14_reg4_dinov2", "deit3_small_patch16_224"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_loaded_model_gives_the_outputs_of_the_saved_one(tiny, batch, shaken, tmp_path, name, suffix):
    plain = shaken(timm.create_model(name, num_classes=10, **SIZES)).eval()
    file = _save(plain.state_dict(), tmp_path / f"weights.{suffix}")

    model = Dcal(tiny(backbone=name, weights=file).model).eval()

    expected = plain.forward_features((batch.images - model.mean) / model.std)[:, 0]
    torch.testing.assert_close(model(batch.images).sa, expected)


def test_our_own_checkpoint_is_a_weights_file(tiny, shaken, tmp_path):
    trained = shaken(Dcal(tiny().model))
    file = _save(trained.state_dict(), tmp_path / "model.safetensors")

    model = Dcal(tiny(weights=file, glca__heads=6).model)

    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, trained.backbone.state_dict()[name]), name


def test_positions_and_patches_are_resampled_to_the_models_size(tiny, shaken, tmp_path):
    larger = shaken(timm.create_model(NAME, **SIZES | {"img_size": 64, "patch_size": 16}))
    finer = shaken(timm.create_model(NAME, **SIZES | {"img_size": 64}))

    for source in (larger, finer):
        file = _save(source.state_dict(), tmp_path / "weights.safetensors")
        model = Dcal(tiny(weights=file).model)
        assert torch.equal(model.backbone.blocks[2].mlp.fc2.weight, source.blocks[2].mlp.fc2.weight)
        assert torch.equal(model.backbone.pos_embed[:, 0], source.pos_embed[:, 0])
    assert not torch.equal(model.backbone.pos_embed[:, 1:], source.pos_embed[:, 1:17])


def test_glca_copies_the_loaded_block_not_the_random_one(tiny, plain, tmp_path):
    model = Dcal(tiny(weights=_save(plain.state_dict(), tmp_path / "w.pth"), glca__init="copy").model)

    for name, value in model.glca[0].state_dict().items():
        assert torch.equal(value, plain.blocks[-1].state_dict()[name]), name
    assert torch.equal(model.glca_norm.weight, plain.norm.weight)


@pytest.mark.parametrize("init", ["copy", "random"])
def test_glcas_initialisation_leaves_the_loaded_weights_alone(tiny, plain, tmp_path, init):
    model = Dcal(tiny(weights=_save(plain.state_dict(), tmp_path / "w.pth"), glca__init=init).model)

    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name


def test_a_missing_block_is_named(tiny, plain, tmp_path):
    state = {name: value for name, value in plain.state_dict().items() if not name.startswith("blocks.1.mlp")}

    with pytest.raises(UserError, match=r"missing: blocks\.1 \(4\)"):
        Dcal(tiny(weights=_save(state, tmp_path / "w.pth")).model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embed_dim": 96}, r"other shape: cls_token \(1\).*File: 3 blocks of width 96; model: 3 blocks of width 48"),
        ({"depth": 5}, r"unexpected: blocks\.3 \(12\), blocks\.4 \(12\)\. File: 5 blocks"),
        ({"depth": 2}, r"missing: blocks\.2 \(12\)\. File: 2 blocks"),
        ({"init_values": 0.1}, r"unexpected: blocks\.0 \(2\)"),
        ({"reg_tokens": 2, "no_embed_class": False}, r"unexpected: reg_token|other shape: pos_embed"),
    ],
)
def test_weights_of_another_model_are_refused(tiny, tmp_path, change, message):
    other = timm.create_model(NAME, **SIZES | change)

    with pytest.raises(UserError, match=message):
        Dcal(tiny(weights=_save(other.state_dict(), tmp_path / "w.safetensors")).model)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02garbage" * 9, None])
def test_a_file_that_holds_no_weights_is_one_clear_line(tiny, tmp_path, suffix, content):
    file = tmp_path / f"w.{suffix}"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(UserError, match=r"model\.weights=.*(no such file|cannot be read)") as caught:
        Dcal(tiny(weights=file).model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"epoch": 3}, {"fc.weight": torch.ones(2, 2)}])
def test_a_file_without_a_vit_is_refused(tiny, tmp_path, content):
    torch.save(content, tmp_path / "w.pth")

    with pytest.raises(UserError, match=r"model\.weights="):
        Dcal(tiny(weights=tmp_path / "w.pth").model)


def test_code_in_a_weights_file_is_not_run(tiny, tmp_path):
    class Hostile:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "w.pth").write_bytes(pickle.dumps({"model": Hostile()}, protocol=2))

    with pytest.raises(UserError, match="cannot be read"):
        Dcal(tiny(weights=tmp_path / "w.pth").model)
    assert not (tmp_path / "ran").exists()
