"""Identity heads against their formulas."""

import math

import pytest
import torch
from torch.nn import functional

from twinverify.model.heads import AdaFaceHead, identity_head
from twinverify.settings import IdentityLossSettings

HEADS = ["softmax", "arcface", "cosface", "adaface"]


@pytest.fixture
def faces():
    """Embeddings (6, 8) of norms about 3, and three identities."""
    return torch.randn(6, 8), torch.tensor([0, 0, 1, 1, 2, 2])


def _cosines(embeddings, directions):
    return functional.normalize(embeddings) @ functional.normalize(directions).T


def _margin_loss(cosine, identity, changed, scale, smoothing):
    own = functional.one_hot(identity, cosine.shape[1]).bool()
    return functional.cross_entropy(scale * torch.where(own, changed, cosine), identity, label_smoothing=smoothing)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_arcface_adds_its_margin_in_radians_to_the_angle(faces, smoothing):
    head = identity_head(IdentityLossSettings(head="arcface", margin=0.4, scale=16, label_smoothing=smoothing), 8, 3)

    cosine = _cosines(faces[0], head.W.T)
    expected = _margin_loss(cosine, faces[1], (cosine.acos() + 0.4).cos(), 16, smoothing)

    assert (cosine.acos() < math.pi - 0.4).all()
    torch.testing.assert_close(head(*faces), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cosface_takes_its_margin_from_the_cosine(faces, smoothing):
    head = identity_head(IdentityLossSettings(head="cosface", margin=0.2, scale=32, label_smoothing=smoothing), 8, 3)

    cosine = _cosines(faces[0], head.W.T)

    torch.testing.assert_close(head(*faces), _margin_loss(cosine, faces[1], cosine - 0.2, 32, smoothing))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_adaface_scales_its_margin_by_the_norm(faces, smoothing):
    head = AdaFaceHead(8, 3, margin=0.4, scale=16, smoothing=smoothing)
    embeddings, identity = faces

    loss = head(embeddings, identity)

    norms = embeddings.norm(dim=1)
    quality = ((norms - norms.mean()) / (norms.std(correction=0) + 1e-3) * 0.33).clamp(-1, 1)[:, None]
    cosine = _cosines(embeddings, head.directions)
    changed = (cosine.acos() - 0.4 * quality).cos() - (0.4 * quality + 0.4)
    torch.testing.assert_close(loss, _margin_loss(cosine, identity, changed, 16, smoothing))


def test_adafaces_norm_statistics_are_buffers_that_move_in_training_only(faces):
    head = AdaFaceHead(8, 3, margin=0.4, scale=16, smoothing=0.0)
    embeddings, identity = faces

    for factor in (1, 3):
        head(factor * embeddings, identity)
    mean = embeddings.norm(dim=1).mean()
    assert {"mean", "std", "steps"} <= set(head.state_dict())
    torch.testing.assert_close(head.mean, 2 * mean)

    head.eval()(9 * embeddings, identity)
    torch.testing.assert_close(head.mean, 2 * mean)
    for _ in range(300):
        head.train()(9 * embeddings, identity)
    assert 8.4 * mean < head.mean < 9 * mean


def test_softmax_is_a_linear_classifier(faces):
    head = identity_head(IdentityLossSettings(head="softmax", label_smoothing=0.1), 8, 3)

    expected = functional.cross_entropy(head.classifier(faces[0]), faces[1], label_smoothing=0.1)

    torch.testing.assert_close(head(*faces), expected)


@pytest.mark.parametrize("name", HEADS)
def test_a_head_pulls_towards_the_own_identity(faces, name):
    head = identity_head(IdentityLossSettings(head=name), 8, 3)
    embeddings = faces[0].clone().requires_grad_()
    optimizer = torch.optim.Adam([embeddings, *head.parameters()], lr=0.05)

    losses = []
    for _ in range(100):
        optimizer.zero_grad()
        losses.append(head(embeddings, faces[1]))
        losses[-1].backward()
        optimizer.step()

    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("name", ["arcface", "cosface", "adaface"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_gradient_is_finite_on_and_against_a_class_direction(name, sign):
    head = identity_head(IdentityLossSettings(head=name), 8, 3)
    directions = head.directions if name == "adaface" else head.W.T
    embeddings = (sign * 2 * directions.detach()).clone().requires_grad_()

    head(embeddings, torch.arange(3)).backward()

    assert embeddings.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in head.parameters())
