"""Augmentation: each image its own values, the same from the same generator, and what torchvision would give."""

import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from twinverify.settings import AugmentSettings
from twinverify.training import augment as module
from twinverify.training.augment import augment, to_unit_range

OFF = {"rotation": 0.0, "jitter": 0.0, "erasing": 0.0, "crop_scale": 1.0, "flip": 0.0}


def images(count=6, size=32, seed=0):
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return (255 * torch.nn.functional.interpolate(coarse, size, mode="bilinear")).to(torch.uint8)


def run(batch=None, seed=0, **settings):
    chosen = AugmentSettings(**(OFF | settings))
    return augment(images() if batch is None else batch, chosen, torch.Generator().manual_seed(seed))


def test_with_everything_off_the_images_come_back_unchanged():
    assert torch.equal(run(), to_unit_range(images()))


@pytest.mark.parametrize(
    "settings",
    [{"rotation": 20.0}, {"jitter": 0.3}, {"erasing": 1.0}, {"crop_scale": 0.5}],
    ids=lambda s: next(iter(s)),
)
def test_each_image_of_a_batch_has_its_own_values(settings):
    same = images(1).expand(6, -1, -1, -1).contiguous()
    changed = run(same, **settings)
    assert changed.min() >= 0
    assert changed.max() <= 1
    for i in range(6):
        assert not torch.equal(changed[i], to_unit_range(same)[i])
        for j in range(i):
            assert not torch.equal(changed[i], changed[j])


def test_the_same_generator_gives_the_same_images_and_another_does_not():
    everything = {"rotation": 10.0, "jitter": 0.2, "erasing": 0.5, "crop_scale": 0.8, "flip": 0.5}
    assert torch.equal(run(seed=1, **everything), run(seed=1, **everything))
    assert not torch.equal(run(seed=1, **everything), run(seed=2, **everything))


def test_neither_the_settings_nor_the_chunks_move_the_draws(monkeypatch):
    plain = run(flip=0.5)
    monkeypatch.setattr(module, "_CHUNK", 1)
    assert torch.equal(run(flip=0.5), plain)
    flipped = [not torch.equal(a, b) for a, b in zip(plain, run(), strict=True)]
    with_jitter = run(flip=0.5, jitter=0.001)
    assert torch.allclose(with_jitter, plain, atol=0.01)
    assert any(flipped)
    assert not all(flipped)


def test_a_flip_is_the_mirror_image():
    assert torch.allclose(run(flip=1.0), to_unit_range(images()).flip(-1), atol=1e-5)


def test_a_rotation_is_torchvisions(monkeypatch):
    quarter = torch.zeros(6, 13)  # the smallest draw is the largest turn, -90 degrees, in every image
    batch = images()
    monkeypatch.setattr(torch, "rand", lambda *_, **__: quarter)
    assert torch.allclose(run(batch, rotation=90.0), reference.rotate(to_unit_range(batch), -90), atol=1e-4)


def test_a_crop_shows_the_asked_share_of_the_image():
    # A horizontal ramp: its slope in the crop is the crop's side.
    ramp = torch.arange(0, 256, 4, dtype=torch.uint8).expand(50, 3, 64, 64).contiguous()
    line = run(ramp, crop_scale=0.5)[:, 0, 32]
    slope = (line[:, 50] - line[:, 14]) / (36 * 4 / 255)
    area = slope**2
    assert area.min() == pytest.approx(0.5, abs=0.06)
    assert area.max() == pytest.approx(1.0, abs=0.06)


def test_jitter_is_brightness_contrast_saturation_one_after_the_other(monkeypatch):
    # Values away from 0 and 1, where torchvision clamps in between and we at the end.
    batch = (images().float() * 0.4 + 70).to(torch.uint8)
    draws = torch.zeros(6, 13)
    draws[:, 5], draws[:, 6], draws[:, 7] = 0.9, 0.2, 1.0
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draws)
    expected = reference.adjust_brightness(to_unit_range(batch), 1 + 0.2 * 0.8)
    expected = reference.adjust_contrast(expected, 1 - 0.2 * 0.6)
    expected = reference.adjust_saturation(expected, 1.2)
    assert torch.allclose(run(batch, jitter=0.2), expected, atol=2e-3)


def test_erasing_paints_one_rectangle_of_2_to_20_percent():
    batch = images(200)
    erased = (run(batch, erasing=1.0) != to_unit_range(batch)).any(dim=1)
    share = erased.float().mean(dim=(1, 2))
    assert share.min() > 0.01
    assert share.max() < 0.25
    rows, columns = erased.any(dim=2).sum(dim=1), erased.any(dim=1).sum(dim=1)
    # painted pixels may equal the image by chance, so "nearly all of the box"
    assert (erased.sum(dim=(1, 2)) >= 0.9 * rows * columns).all()
    half = (run(batch, erasing=0.5) != to_unit_range(batch)).flatten(1).any(dim=1).float().mean()
    assert 0.35 < half < 0.65
