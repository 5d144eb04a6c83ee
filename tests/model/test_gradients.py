"""No weight is dead: gradient reaches every trainable weight of model and loss."""

import itertools

import pytest
import torch

from twinverify.model.dcal import Dcal
from twinverify.model.losses import DcalLoss

STRUCTURES = list(itertools.product([0, 1, 2], [0, 2, 3], [None, 16]))
LOSSES = [
    {"loss.identity.head": head, "loss.triplet.kind": triplet, "loss.branches.weighting": weighting}
    for (head, triplet), weighting in zip(
        itertools.product(["softmax", "arcface", "cosface", "adaface"], ["off", "margin", "soft"]),
        itertools.cycle(["learnt", "fixed"]),
        strict=False,
    )
] + [
    {"loss.identity.weight": 0.0},
    {"loss.identity.weight": 0.0, "loss.pair.bce_weight": 0.0},
    {"loss.identity.weight": 0.0, "loss.triplet.kind": "off"},
    {
        "loss.identity.weight": 0.0,
        "loss.triplet.kind": "off",
        "loss.pair.bce_weight": 0.0,
        "loss.pair.focal_weight": 1.0,
    },
    {"loss.pair.bce_weight": 0.0, "loss.triplet.kind": "off"},
    {"loss.branches.weighting": "fixed", "loss.branches.pwca": 0.0},
]


def _assert_all_alive(done):
    for name, weight in done.weights().items():
        if weight.requires_grad:
            assert weight.grad is not None, f"{name} has no gradient"
            assert weight.grad.isfinite().all(), f"the gradient of {name} is not finite"
            assert weight.grad.abs().max() > 0, f"the gradient of {name} is 0"
        else:
            assert weight.grad is None, f"{name} is frozen"


@pytest.mark.parametrize(("glca", "pwca", "width"), STRUCTURES)
def test_every_trainable_weight_learns_in_every_structure(tiny, step, glca, pwca, width):
    _assert_all_alive(step(tiny(glca__blocks=glca, pwca__blocks=pwca, embedding_width=width)))


@pytest.mark.parametrize("values", LOSSES, ids=lambda v: ", ".join(f"{k[5:]}={x}" for k, x in v.items()))
def test_every_trainable_weight_learns_under_every_loss(tiny, step, values):
    _assert_all_alive(step(tiny(values, embedding_width=16)))


@pytest.mark.parametrize("frozen", [1, 3])
@pytest.mark.parametrize(
    "name", ["vit_small_patch14_reg4_dinov2", "vit_base_patch16_clip_224", "deit3_small_patch16_224"]
)
def test_every_weight_learns_or_is_frozen_in_every_kind_of_backbone(tiny, step, name, frozen):
    _assert_all_alive(step(tiny(backbone=name, frozen_blocks=frozen)))


def test_a_step_runs_under_bf16_autocast(tiny, batch):
    model = Dcal(tiny(embedding_width=16).model)
    loss = DcalLoss(tiny().loss, model.branches, model.embedding_width, 4)

    with torch.autocast("cpu", torch.bfloat16):
        branches = model(batch.images, torch.arange(12).roll(1))
        total, _ = loss(branches, batch.person)
        embeddings = model.eval().embed(batch.images)
    total.backward()

    assert branches.sa.dtype == torch.bfloat16
    assert total.dtype == embeddings.dtype == torch.float32
    assert all(weight.grad.isfinite().all() for weight in model.parameters())
    exact = model.train()(batch.images, torch.arange(12).roll(1))
    torch.testing.assert_close(branches.sa.float(), exact.sa, atol=0.05, rtol=0.05)


def test_the_model_compiles_as_one_graph(tiny, batch):
    model = Dcal(tiny(drop_path=0.1).model).train()
    compiled = torch.compile(model, backend="eager", fullgraph=True)

    torch.manual_seed(1)
    expected = model(batch.images, torch.arange(12).roll(1))
    torch.manual_seed(1)
    got = compiled(batch.images, torch.arange(12).roll(1))

    for (name, values), (_, wanted) in zip(got.items(), expected.items(), strict=True):
        torch.testing.assert_close(values, wanted, msg=name)


def test_a_tiny_model_learns_four_people_by_heart(tiny, batch):
    torch.manual_seed(0)
    model = Dcal(tiny().model)
    loss = DcalLoss(tiny().loss, model.branches, model.embedding_width, 4)
    optimizer = torch.optim.AdamW([*model.parameters(), *loss.parameters()], lr=1e-3)

    for _ in range(80):
        optimizer.zero_grad()
        loss(model(batch.images, torch.randperm(12)), batch.person)[0].backward()
        optimizer.step()

    embeddings = model.eval().embed(batch.images)
    cosine = embeddings @ embeddings.T
    same = batch.person[:, None] == batch.person
    assert cosine[same].min() > cosine[~same].max()
