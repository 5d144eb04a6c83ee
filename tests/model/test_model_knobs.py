"""Every setting of model and loss is live: changing it changes an embedding, a loss or a gradient."""

import pytest
import torch

from twinverify.config import flatten
from twinverify.settings import Config

#: setting -> (its other value, what else must be set for it to exist)
KNOBS = {
    "model.backbone": ("deit3_small_patch16_224", {}),
    "model.image_size": (None, {}),
    "model.patch_size": (16, {}),
    "model.width": (96, {}),
    "model.depth": (2, {}),
    "model.heads": (6, {}),
    "model.embedding_width": (16, {}),
    "model.drop_path": (0.5, {}),
    "model.dropout": (0.2, {}),
    "model.frozen_blocks": (1, {}),
    "model.glca.blocks": (2, {}),
    "model.glca.heads": (6, {}),
    "model.glca.local_ratio": (0.5, {}),
    "model.glca.selection": ("last_layer", {}),
    "model.glca.rollout_residual": (0.0, {}),
    "model.glca.init": ("random", {}),
    "model.glca.fusion": ("glca", {}),
    "model.pwca.blocks": (3, {}),
    "model.pwca.placement": ("first", {}),
    "model.pwca.distractor": ("twin", {}),
    "model.pwca.twin_share": (0.0, {"model.pwca.distractor": "mixture"}),
    "model.pwca.apply_probability": (0.01, {}),
    "loss.identity.head": ("cosface", {}),
    "loss.identity.margin": (0.5, {"loss.identity.head": "arcface"}),
    "loss.identity.scale": (16.0, {"loss.identity.head": "adaface"}),
    "loss.identity.weight": (0.5, {}),
    "loss.identity.label_smoothing": (0.1, {}),
    "loss.triplet.kind": ("soft", {}),
    "loss.triplet.margin": (0.6, {}),
    "loss.triplet.weight": (1.0, {}),
    "loss.pair.bce_weight": (1.0, {}),
    "loss.pair.focal_weight": (0.5, {}),
    "loss.pair.focal_gamma": (1.0, {"loss.pair.focal_weight": 0.5}),
    "loss.branches.weighting": ("fixed", {}),
    "loss.branches.glca": (0.5, {"loss.branches.weighting": "fixed"}),
    "loss.branches.pwca": (0.5, {"loss.branches.weighting": "fixed"}),
}
#: Where weights come from: test_weights_file.py and test_sa_branch.py. What changes memory only: test_checkpointing.py.
ELSEWHERE = {"model.pretrained", "model.weights", "model.checkpointing"}
MORE = [
    ("model.glca.selection", "random", {}),
    ("model.glca.fusion", "sa", {}),
    ("model.pwca.placement", "middle", {"model.pwca.blocks": 1}),
    ("model.pwca.placement", "all", {"model.pwca.blocks": 1}),
    ("model.pwca.distractor", "inter", {}),
    ("model.pwca.distractor", "mixture", {}),
    ("loss.identity.head", "arcface", {}),
    ("loss.identity.head", "adaface", {}),
    ("loss.triplet.kind", "off", {}),
    *[(f"loss.identity.{knob}", value, {"loss.identity.head": head})
      for head in ("arcface", "cosface", "adaface")
      for knob, value in (("margin", 0.5), ("scale", 16.0), ("label_smoothing", 0.1))],
]  # fmt: skip


def test_every_setting_is_in_the_table():
    ours = {key for key in flatten(Config()) if key.startswith(("model.", "loss."))}

    assert set(KNOBS) | ELSEWHERE == ours


@pytest.mark.parametrize(
    ("key", "value", "base"),
    [(key, value, base) for key, (value, base) in KNOBS.items() if key != "model.image_size"] + MORE,
)
def test_a_setting_changes_embedding_loss_or_gradient(tiny, step, batch, key, value, base):
    base = {"model.glca.local_ratio": 0.25} | base

    before, after = (_fingerprint(step(tiny(values)), batch) for values in (base, base | {key: value}))

    assert before.keys() != after.keys() or any(
        before[name].shape != after[name].shape or not torch.allclose(before[name], after[name], atol=1e-6)
        for name in before
    )


def test_the_image_size_sets_the_number_of_patches(tiny, step):
    from twinverify.model.dcal import Dcal

    model = Dcal(tiny(image_size=64).model).eval()

    assert model.look(torch.rand(1, 3, 64, 64)).shape == (1, 64)


def test_the_same_settings_leave_the_same_fingerprint(tiny, step, batch):
    one, two = (_fingerprint(step(tiny()), batch) for _ in range(2))

    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.glca.heads", 6),
        ("model.glca.local_ratio", 0.5),
        ("model.glca.selection", "last_layer"),
        ("model.glca.rollout_residual", 0.0),
        ("model.glca.fusion", "sa"),
        ("model.heads", 6),
    ],
)
def test_settings_without_weights_of_their_own_change_the_embedding_of_equal_weights(tiny, batch, shaken, key, value):
    from twinverify.model.dcal import Dcal

    base = {"model.glca.local_ratio": 0.25}
    one = shaken(Dcal(tiny(base).model)).eval()
    other = Dcal(tiny(base | {key: value}).model).eval()
    other.load_state_dict(one.state_dict(), strict=True)

    first, second = one.embed(batch.images), other.embed(batch.images)

    assert first.shape != second.shape or (first - second).abs().max() > 1e-5


def _fingerprint(done, batch):
    """The embedding, the losses, and the gradient of every weight (absent where a weight has none)."""
    gradients = {name: weight.grad for name, weight in done.weights().items() if weight.grad is not None}
    return gradients | done.parts | {"total": done.total, "embedding": done.model.eval().embed(batch.images).detach()}
