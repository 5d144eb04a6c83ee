"""Which image of the batch stands beside each image in PWCA."""

import pytest
import torch

from twinverify.model.distractors import draw_distractors

KINDS = ["random", "inter", "twin", "mixture"]


def _lots(seed=0):
    return torch.Generator().manual_seed(seed)


def _many(settings, batch, draws=60):
    lots = _lots()
    return torch.stack([draw_distractors(settings, batch.person, batch.family, lots) for _ in range(draws)])


@pytest.mark.parametrize("kind", KINDS)
def test_no_image_is_its_own_distractor_and_all_that_may_be_are_drawn(tiny, batch, kind):
    drawn = _many(tiny(pwca__distractor=kind).model.pwca, batch)

    assert not (drawn == torch.arange(12)).any()
    assert len(drawn.unique()) == 12


def test_random_may_be_anyone_else(tiny, batch):
    drawn = _many(tiny(pwca__distractor="random").model.pwca, batch)

    assert {int(j) for j in drawn[:, 0]} == set(range(1, 12))


def test_inter_is_of_another_family(tiny, batch):
    drawn = _many(tiny(pwca__distractor="inter").model.pwca, batch)

    assert (batch.family[drawn] != batch.family).all()


def test_twin_is_the_co_twin_never_the_person(tiny, batch):
    drawn = _many(tiny(pwca__distractor="twin").model.pwca, batch)

    assert (batch.family[drawn] == batch.family).all()
    assert (batch.person[drawn] != batch.person).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mixture_has_its_share_of_twins_and_else_other_families(tiny, batch, share):
    drawn = _many(tiny(pwca__distractor="mixture", pwca__twin_share=share).model.pwca, batch, draws=200)

    twins = batch.family[drawn] == batch.family
    assert (batch.person[drawn] != batch.person).all()
    assert twins.float().mean().item() == pytest.approx(share, abs=0.03)


def test_a_person_without_a_twin_in_the_batch_gets_another_family(tiny):
    person = torch.tensor([0, 0, 1, 2, 2])
    family = torch.tensor([0, 0, 0, 1, 1])

    drawn = draw_distractors(tiny(pwca__distractor="twin").model.pwca, person, family, _lots())

    assert (family[drawn[3:]] == 0).all()
    assert person[drawn[:3]].tolist() == [1, 1, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_person_takes_any_other_image(tiny, kind):
    one = torch.zeros(3, dtype=torch.long)

    drawn = draw_distractors(tiny(pwca__distractor=kind).model.pwca, one, one, _lots())

    assert (drawn != torch.arange(3)).all()


def test_pwca_runs_in_its_share_of_the_steps(tiny, batch):
    settings = tiny(pwca__apply_probability=0.25).model.pwca
    lots = _lots()

    steps = [draw_distractors(settings, batch.person, batch.family, lots) is not None for _ in range(400)]

    assert sum(steps) / 400 == pytest.approx(0.25, abs=0.06)


def test_there_is_no_distractor_without_pwca_or_a_second_image(tiny, batch):
    off, on = tiny(pwca__blocks=0).model.pwca, tiny().model.pwca

    assert draw_distractors(off, batch.person, batch.family, _lots()) is None
    assert draw_distractors(on, batch.person[:1], batch.family[:1], _lots()) is None


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_is_the_only_source_of_randomness(tiny, batch, kind):
    settings = tiny(pwca__distractor=kind).model.pwca

    first = draw_distractors(settings, batch.person, batch.family, _lots(3))
    torch.rand(5)

    assert torch.equal(first, draw_distractors(settings, batch.person, batch.family, _lots(3)))
    assert not torch.equal(first, draw_distractors(settings, batch.person, batch.family, _lots(4)))
