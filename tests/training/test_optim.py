"""Parameter groups, learning rates by layer, and the schedule."""

import math

import pytest

from twinverify.training.learner import Learner
from twinverify.training.optim import current_lr, set_progress


def groups_by_name(learner):
    """Weight's name -> its optimizer group."""
    group_of = {id(weight): group for group in learner.optimizer.param_groups for weight in group["params"]}
    named = (
        (f"{prefix}.{name}", weight) for prefix, module in learner.modules for name, weight in module.named_parameters()
    )
    return {name: group_of.get(id(weight)) for name, weight in named}


@pytest.fixture
def learner(small):
    def make(**values):
        return Learner(small({key.replace("__", "."): value for key, value in values.items()}), identities=8)

    return make


def test_layer_decay_falls_block_by_block_towards_the_input_and_leaves_glca_alone(learner):
    groups = groups_by_name(learner(train__layer_decay=0.5, train__head_lr_factor=3.0))
    factors = {
        "model.backbone.norm.weight": 1.0,
        "model.backbone.blocks.1.attn.qkv.weight": 1.0,
        "model.backbone.blocks.0.mlp.fc1.bias": 0.5,
        "model.backbone.patch_embed.proj.weight": 0.25,
        "model.backbone.cls_token": 0.25,
        "model.backbone.pos_embed": 0.25,
        "loss.w.sa": 3.0,
    }
    factors |= {name: 3.0 for name in groups if name.startswith("model.glca")}
    assert len(factors) > 10
    assert {name: groups[name]["lr_scale"] for name in factors} == factors


@pytest.mark.parametrize("layer_decay", [1.0, 0.7])
def test_every_weight_is_in_one_group_and_the_small_ones_do_not_decay(learner, layer_decay):
    made = learner(train__layer_decay=layer_decay, train__weight_decay=0.1, model__embedding_width=16)
    named = {f"{p}.{n}": w for p, module in made.modules for n, w in module.named_parameters()}
    groups = groups_by_name(made)
    assert sum(len(group["params"]) for group in made.optimizer.param_groups) == len(named)
    for name, weight in named.items():
        plain = weight.ndim <= 1 or name.endswith(("pos_embed", "cls_token"))
        assert groups[name]["weight_decay"] == (0.0 if plain else 0.1), name


def test_the_head_factor_reaches_glca_necks_and_losses_and_nothing_else(learner):
    groups = groups_by_name(learner(train__head_lr_factor=7.0, model__embedding_width=16))
    for name, group in groups.items():
        assert group["lr_scale"] == (1.0 if name.startswith("model.backbone.") else 7.0), name


def test_frozen_weights_are_in_no_group(learner):
    groups = groups_by_name(learner(model__frozen_blocks=1))
    frozen = {name for name, group in groups.items() if group is None}
    assert any(name.startswith("model.backbone.blocks.0.") for name in frozen)
    assert any(name.startswith("model.backbone.patch_embed") for name in frozen)
    assert not any(name.startswith(("model.backbone.blocks.1.", "model.glca", "loss.")) for name in frozen)


@pytest.mark.parametrize(
    ("schedule", "progress", "share"),
    [
        ("cosine", 0.1, 0.5),
        ("cosine", 0.2, 1.0),
        ("cosine", 0.6, 0.5),
        ("cosine", 0.4, 0.5 * (1 + math.cos(math.pi / 4))),
        ("cosine", 1.0, 0.0),
        ("constant", 0.1, 0.5),
        ("constant", 0.2, 1.0),
        ("constant", 1.0, 1.0),
    ],
)
def test_warm_up_is_linear_then_cosine_to_zero_or_constant(learner, schedule, progress, share):
    made = learner(train__schedule=schedule, train__warmup=0.2, train__lr=0.01, train__head_lr_factor=4.0)
    set_progress(made.schedule, progress)
    assert current_lr(made.optimizer) == pytest.approx(0.01 * share, abs=1e-9)
    by_factor = {group["lr_scale"]: group["lr"] for group in made.optimizer.param_groups}
    assert by_factor[4.0] == pytest.approx(0.04 * share, abs=1e-9)


def test_a_run_of_one_update_has_a_learning_rate(learner):
    made = learner(train__warmup=0.9, train__lr=0.01)
    set_progress(made.schedule, 0.5)
    assert current_lr(made.optimizer) > 0
