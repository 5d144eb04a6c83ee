"""Checkpointing changes no number, and what is kept for the backward pass shrinks."""

import pytest
import torch

from twinverify.model.dcal import Dcal


def _kept_bytes(model, images, distractor):
    """Bytes that autograd keeps of a forward pass, weights left out, each storage once."""
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        branches = model(images, distractor)
    assert branches.pwca is not None
    return sum(kept.values())


@pytest.mark.parametrize("values", [{}, {"model.drop_path": 0.3, "model.dropout": 0.2, "model.frozen_blocks": 1}])
@pytest.mark.parametrize("selection", ["rollout", "random"])
def test_losses_and_gradients_are_the_same_to_the_last_digit(tiny, step, values, selection):
    values = values | {"model.glca.selection": selection}

    plain, again = (step(tiny(values | {"model.checkpointing": on})) for on in (False, True))

    assert torch.equal(plain.total, again.total)
    for name, weight in plain.weights().items():
        other = again.weights()[name].grad
        assert (weight.grad is None and other is None) or torch.equal(weight.grad, other), name


def test_a_deep_model_keeps_a_fraction_for_the_backward_pass(tiny, batch):
    kept = [
        _kept_bytes(Dcal(tiny(depth=8, pwca__blocks=8, checkpointing=on).model), batch.images, torch.arange(12).roll(1))
        for on in (False, True)
    ]

    assert kept[1] < 0.25 * kept[0], kept


def test_an_embedding_is_never_computed_twice(tiny, batch, monkeypatch):
    monkeypatch.setattr("twinverify.model.pwca.checkpoint", None)
    model = Dcal(tiny(checkpointing=True).model).eval()

    with torch.no_grad():
        assert model.embed(batch.images).isfinite().all()
