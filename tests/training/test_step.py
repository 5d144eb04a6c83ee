"""One update: exact accumulation, clipping, averaging, fp16's scaler, and what ends a training."""

import pickle

import pytest
import torch

from twinverify.training.divergence import TrainingDiverged
from twinverify.training.learner import Learner
from twinverify.training.optim import set_progress
from twinverify.training.step import SKIPS_ALLOWED, Batch, gradient_step


@pytest.fixture
def learner(small):
    def make(**values):
        torch.manual_seed(0)
        settings = {key.replace("__", "."): value for key, value in values.items()}
        made = Learner(small({"train.clip": None} | settings), identities=4)
        made.model.train()
        set_progress(made.schedule, 0.2)
        return made

    return make


def batch(seed, size=8):
    draw = torch.Generator().manual_seed(seed)
    identity = torch.arange(size) // 2
    return Batch(torch.rand(size, 3, 32, 32, generator=draw), identity, torch.arange(size).roll(1))


def weights(learner):
    return torch.cat([weight.detach().flatten().clone() for weight in learner.parameters()])


def gradients(learner, one):
    total, _ = learner.loss(learner.model(one.images, one.distractor), one.identity)
    given = torch.autograd.grad(total, learner.parameters(), allow_unused=True)
    return [torch.zeros_like(w) if g is None else g for w, g in zip(learner.parameters(), given, strict=True)]


def step(learner, *batches, epoch=1):
    return gradient_step(learner, iter(batches), len(batches), epoch)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_accumulating_the_same_batch_is_exactly_one_step_of_it(learner, optimizer):
    once, twice = learner(train__optimizer=optimizer), learner(train__optimizer=optimizer)
    step(once, batch(1))
    step(twice, batch(1), batch(1))
    assert torch.equal(weights(once), weights(twice))


def test_k_batches_give_the_mean_of_their_gradients(learner):
    made = learner(train__optimizer="sgd")
    wanted = [sum(parts) / 3 for parts in zip(*(gradients(made, batch(seed)) for seed in (1, 2, 3)), strict=True)]
    result = step(made, batch(1), batch(2), batch(3))
    for weight, gradient in zip(made.parameters(), wanted, strict=True):
        assert torch.allclose(weight.grad, gradient, atol=1e-6)
    assert result.gradient_norm.item() == pytest.approx(
        torch.cat([g.flatten() for g in wanted]).norm().item(), rel=1e-5
    )
    assert result.total.shape == (3,)


def test_clipping_bounds_the_gradient_and_reports_the_norm_before(learner):
    free, clipped = learner(), learner(train__clip=0.01)
    before = [step(made, batch(1)).gradient_norm.item() for made in (free, clipped)]
    norms = [torch.cat([w.grad.flatten() for w in made.parameters()]).norm() for made in (free, clipped)]
    assert before[0] == pytest.approx(before[1])
    assert norms[0].item() == pytest.approx(before[0], rel=1e-4)
    assert norms[1].item() == pytest.approx(0.01, rel=1e-3)


def test_the_averaged_weights_lag_behind_and_are_the_ones_judged(learner):
    made = learner(train__ema=0.99)
    for seed in range(4):
        step(made, batch(seed))
    live, averaged = made.model.state_dict(), made.judged.state_dict()
    assert made.judged is not made.model
    assert any(not torch.equal(live[name], averaged[name]) for name in live)
    plain = learner()
    assert plain.judged is plain.model


def test_frozen_weights_stay_bit_for_bit_and_all_others_move(learner):
    made = learner(model__frozen_blocks=1, model__embedding_width=16, loss__pair__focal_weight=0.5)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    for seed in range(3):
        step(made, batch(seed))
    after = made.model.state_dict()
    frozen = {name for name, weight in made.model.named_parameters() if not weight.requires_grad}
    assert frozen
    for name, weight in made.model.named_parameters():
        assert torch.equal(before[name], after[name]) is (not weight.requires_grad), name


def poison_embeddings(learner):
    with torch.no_grad():
        learner.model.backbone.norm.bias[0] = torch.nan


def poison_head(learner):
    with torch.no_grad():
        next(learner.loss.heads["glca"].parameters())[:] = torch.inf


def poison_gradient(learner):
    learner.model.backbone.blocks[1].attn.qkv.weight.register_hook(lambda gradient: gradient * torch.nan)


@pytest.mark.parametrize(
    ("poison", "cause"),
    [
        (poison_embeddings, "the sa embeddings are not finite"),
        (poison_head, "the loss of the glca branch is nan"),
        (poison_gradient, "the gradient of model.backbone.blocks.1.attn.qkv.weight is not finite"),
    ],
)
def test_nan_ends_the_training_with_epoch_and_cause(learner, poison, cause):
    made = learner()
    poison(made)
    before = weights(made)
    with pytest.raises(TrainingDiverged) as caught:
        step(made, batch(1), batch(2), epoch=7)
    assert (caught.value.epoch, caught.value.cause) == (7, cause)
    assert torch.equal(before, weights(made)) or before.isnan().any() or before.isinf().any()
    assert str(pickle.loads(pickle.dumps(caught.value))) == f"training diverged in epoch 7: {cause}"


def test_updates_that_the_fp16_scaler_skips_are_no_divergence(learner):
    made = learner()
    made.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # overflows at first, as fp16 does
    before = weights(made)
    first = step(made, batch(1))
    assert first.skipped
    assert torch.equal(before, weights(made))
    assert made.scaler.get_scale() == 2.0**126
    results = [step(made, batch(seed)) for seed in range(SKIPS_ALLOWED - 2)]
    assert not results[-1].skipped
    assert made.skipped == 0
    assert not torch.equal(before, weights(made))


def test_updates_skipped_for_good_are_a_divergence(learner):
    made = learner()
    made.scaler = torch.amp.GradScaler("cpu")
    poison_gradient(made)
    for _ in range(SKIPS_ALLOWED - 1):
        assert step(made, batch(1)).skipped
    with pytest.raises(TrainingDiverged, match=rf"blocks.1.attn.qkv.weight is not finite in {SKIPS_ALLOWED} updates"):
        step(made, batch(1))
