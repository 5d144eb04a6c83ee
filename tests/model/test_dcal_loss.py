"""Triplet and pair losses, and how branches are added up."""

import math

import pytest
import torch
from torch.nn import functional

from twinverify.errors import UserError
from twinverify.model.dcal import Branches
from twinverify.model.losses import LARGEST_W, DcalLoss, TripletLoss
from twinverify.model.pair_loss import PairLoss
from twinverify.settings import PairLossSettings, TripletLossSettings

IDENTITY = torch.tensor([0, 0, 1, 1, 2])


@pytest.fixture
def embeddings():
    """Raw embeddings (5, 8)."""
    return torch.randn(5, 8)


@pytest.fixture
def branches(embeddings):
    """Three branches (5, 8)."""
    return Branches(embeddings, torch.randn(5, 8), torch.randn(5, 8))


def _cosines(embeddings):
    unit = functional.normalize(embeddings)
    return (unit @ unit.T).tolist()


@pytest.mark.parametrize("kind", ["margin", "soft"])
def test_triplets_are_the_hardest_of_the_batch(embeddings, kind):
    cosine = _cosines(embeddings)
    terms = []
    for a in range(4):  # the fifth image has no positive
        positive = min(cosine[a][p] for p in range(5) if p != a and IDENTITY[p] == IDENTITY[a])
        negative = max(cosine[a][n] for n in range(5) if IDENTITY[n] != IDENTITY[a])
        gap = negative - positive
        terms.append(max(0.0, gap + 0.3) if kind == "margin" else math.log1p(math.exp(gap)))

    loss = TripletLoss(TripletLossSettings(kind=kind, margin=0.3))(embeddings, IDENTITY)

    assert loss.item() == pytest.approx(sum(terms) / 4, rel=1e-5)


def test_triplets_do_not_depend_on_the_length_of_embeddings(embeddings):
    loss = TripletLoss(TripletLossSettings())

    torch.testing.assert_close(loss(embeddings, IDENTITY), loss(7 * embeddings, IDENTITY))


@pytest.mark.parametrize("identity", [[0, 0, 0, 0, 0], [0, 1, 2, 3, 4]])
def test_a_batch_without_triplets_gives_zero_with_a_gradient(embeddings, identity):
    embeddings.requires_grad_()
    loss = TripletLoss(TripletLossSettings())(embeddings, torch.tensor(identity))

    loss.backward()

    assert loss.item() == 0


@pytest.mark.parametrize(
    ("bce", "focal", "gamma"), [(1.0, 0.0, 2.0), (0.0, 1.0, 2.0), (0.0, 1.0, 0.0), (0.4, 0.2, 0.5)]
)
def test_pairs_are_judged_by_scaled_cosine_both_kinds_counting_half(embeddings, bce, focal, gamma):
    cosine = _cosines(embeddings)
    terms = {True: [], False: []}
    for i in range(5):
        for j in range(i):
            same = bool(IDENTITY[i] == IDENTITY[j])
            logit = 10 * cosine[i][j] - 5
            right = 1 / (1 + math.exp(-logit if same else logit))
            terms[same].append(-(bce + focal * (1 - right) ** gamma) * math.log(right))

    loss = PairLoss(PairLossSettings(bce_weight=bce, focal_weight=focal, focal_gamma=gamma))(embeddings, IDENTITY)

    expected = sum(sum(values) / len(values) for values in terms.values()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_scale_and_bias_are_learnt(embeddings):
    loss = PairLoss(PairLossSettings())

    loss(embeddings, IDENTITY).backward()

    assert loss.log_scale.grad != 0
    assert loss.bias.grad != 0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_the_gradient_stays_finite_for_pairs_that_are_certain(gamma, scale):
    embeddings = torch.eye(4)[[0, 0, 1, 1]].clone().requires_grad_()
    loss = PairLoss(PairLossSettings(bce_weight=0.4, focal_weight=1.0, focal_gamma=gamma))
    with torch.no_grad():
        loss.log_scale.fill_(math.log(scale))
        loss.bias.fill_(-scale / 2)

    loss(embeddings, torch.tensor([0, 0, 1, 1])).backward()

    assert embeddings.grad.isfinite().all()
    assert loss.log_scale.grad.isfinite()


def test_a_batch_of_one_kind_of_pair_is_no_division_by_zero(embeddings):
    loss = PairLoss(PairLossSettings())

    assert loss(embeddings, torch.zeros(5, dtype=torch.long)).isfinite()
    assert loss(embeddings, torch.arange(5)).isfinite()


def test_learnt_weights_start_as_half_the_sum(tiny, branches):
    loss = DcalLoss(tiny().loss, ("sa", "glca", "pwca"), 8, 3)

    total, parts = loss(branches, IDENTITY)

    assert list(parts) == ["sa", "glca", "pwca"]
    torch.testing.assert_close(total, 0.5 * sum(parts.values()))
    assert not any(part.requires_grad for part in parts.values())


def test_learnt_weights_follow_the_papers_formula(tiny, branches):
    loss = DcalLoss(tiny().loss, ("sa", "glca", "pwca"), 8, 3)
    learnt = {"sa": 0.5, "glca": -1.0, "pwca": 2.0}
    for name, value in learnt.items():
        loss.w[name].data.fill_(value)

    total, parts = loss(branches, IDENTITY)
    total.backward()

    expected = 0.5 * sum(math.exp(-w) * parts[name].item() + w for name, w in learnt.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)
    for name, w in learnt.items():
        assert loss.w[name].grad.item() == pytest.approx(0.5 * (1 - math.exp(-w) * parts[name].item()), rel=1e-4)


def test_learnt_weights_do_not_explode_and_find_back(tiny, branches):
    values = {"loss.identity.weight": 0.0, "loss.pair.bce_weight": 1e-6, "loss.triplet.kind": "off"}
    loss = DcalLoss(tiny(values).loss, ("sa",), 8, 3)
    only_sa = Branches(branches.sa, None, None)
    optimizer = torch.optim.SGD(loss.w.parameters(), lr=1.0)

    for _ in range(50):  # L_b is nearly 0: the best w is far below the range
        optimizer.zero_grad()
        loss(only_sa, IDENTITY)[0].backward()
        optimizer.step()
    loss(only_sa, IDENTITY)
    assert loss.w["sa"].item() == -LARGEST_W

    loss.settings = tiny({"loss.pair.bce_weight": 10.0}).loss
    loss.pairs["sa"].settings = PairLossSettings(bce_weight=10.0)
    optimizer.zero_grad()
    loss(only_sa, IDENTITY)[0].backward()
    assert loss.w["sa"].grad < 0  # upwards, into the range again


def test_fixed_weights_are_a_plain_sum(tiny, branches):
    values = {"loss.branches.weighting": "fixed", "loss.branches.glca": 0.5, "loss.branches.pwca": 0.25}
    loss = DcalLoss(tiny(values).loss, ("sa", "glca", "pwca"), 8, 3)

    total, parts = loss(branches, IDENTITY)

    torch.testing.assert_close(total, parts["sa"] + 0.5 * parts["glca"] + 0.25 * parts["pwca"])
    assert not loss.w


def test_a_pwca_branch_of_weight_zero_is_skipped(tiny, branches):
    values = {"loss.branches.weighting": "fixed", "loss.branches.pwca": 0.0}
    loss = DcalLoss(tiny(values).loss, ("sa", "glca", "pwca"), 8, 3)

    assert list(loss(branches, IDENTITY)[1]) == ["sa", "glca"]
    assert not any("pwca" in name for name, _ in loss.named_parameters())


def test_a_glca_branch_of_weight_zero_is_refused(tiny):
    values = {"loss.branches.weighting": "fixed", "loss.branches.glca": 0.0}

    with pytest.raises(UserError, match=r"model\.glca\.blocks=0"):
        DcalLoss(tiny(values).loss, ("sa", "glca"), 8, 3)


def test_pwca_shares_the_identity_head_of_sa(tiny, branches):
    values = {"loss.pair.bce_weight": 0.0, "loss.triplet.kind": "off"}
    loss = DcalLoss(tiny(values).loss, ("sa", "glca", "pwca"), 8, 3)

    assert list(loss.heads) == ["sa", "glca"]
    twice = Branches(branches.sa, branches.sa, branches.sa)
    _, parts = loss(twice, IDENTITY)
    assert parts["sa"] == parts["pwca"] != parts["glca"]


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"loss.identity.weight": 0.0}, "heads"),
        ({"loss.pair.bce_weight": 0.0, "loss.pair.focal_weight": 0.0}, "pairs"),
        ({"loss.branches.weighting": "fixed"}, "w"),
    ],
)
def test_what_is_off_builds_no_weights(tiny, values, gone):
    loss = DcalLoss(tiny(values).loss, ("sa", "glca", "pwca"), 8, 3)

    parts = {name.split(".")[0] for name, _ in loss.named_parameters()}
    assert parts == {"heads", "pairs", "w"} - {gone}


def test_losses_are_float32_under_autocast(tiny, branches):
    values = {"loss.identity.head": "arcface", "loss.pair.focal_weight": 0.2}
    loss = DcalLoss(tiny(values).loss, ("sa", "glca", "pwca"), 8, 3)
    rounded = Branches(*(values.bfloat16() for _, values in branches.items()))

    expected, _ = loss(Branches(*(values.float() for _, values in rounded.items())), IDENTITY)
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = loss(rounded, IDENTITY)

    assert total.dtype == torch.float32
    torch.testing.assert_close(total, expected)
    assert {weight.dtype for weight in loss.parameters()} == {torch.float32}
