"""Every setting of train, batch and augment changes the weights or the data of a short training."""

import pytest
import torch

from twinverify.config import leaves
from twinverify.settings import Config
from twinverify.training.device import cpu_has_bf16
from twinverify.training.epoch import train_epoch
from twinverify.training.learner import Learner
from twinverify.training.randomness import own_process_state

# key -> a value unlike the small configuration's, and what else must be on for it to matter
KNOBS = {
    "train.epochs": (7, {}),
    "train.optimizer": ("adam", {}),
    "train.lr": (2e-3, {}),
    "train.weight_decay": (0.5, {}),
    "train.layer_decay": (0.5, {}),
    "train.head_lr_factor": (3.0, {}),
    "train.schedule": ("constant", {}),
    "train.warmup": (0.5, {}),
    "train.clip": (None, {"train.optimizer": "sgd"}),
    "train.ema": (0.5, {}),
    "train.amp": ("bf16", {}),
    "batch.people": (6, {}),
    "batch.images": (3, {}),
    "batch.twin_share": (1.0, {"batch.people": 6}),
    "batch.accumulation": (2, {}),
    "augment.rotation": (15.0, {}),
    "augment.jitter": (0.3, {}),
    "augment.erasing": (0.5, {}),
    "augment.crop_scale": (0.7, {}),
    "augment.flip": (0.5, {}),
}
ELSEWHERE = {"train.device"}  # test_device.py: there is one device here


def trained(config, faces):
    """The weights, as they would be validated, after two epochs."""
    with own_process_state(config.seed, 0):
        learner = Learner(config, len(faces.person_ids))
    for epoch in (1, 2):
        with own_process_state(config.seed, epoch):
            train_epoch(learner, faces, epoch)
    return torch.cat([weight.flatten() for weight in learner.judged.state_dict().values()])


@pytest.mark.parametrize("key", KNOBS)
def test_the_setting_is_live(small, draw_faces, key):
    if key == "train.amp" and not cpu_has_bf16():
        pytest.skip("this CPU has no bf16 instructions")
    value, others = KNOBS[key]
    faces = draw_faces()
    base, changed = trained(small(others), faces), trained(small(others | {key: value}), faces)
    assert not torch.allclose(base, changed, atol=1e-7), f"{key}={value} changes nothing"


def test_the_table_holds_every_setting_of_these_groups():
    settings = {key for key in leaves(Config) if key.startswith(("train.", "batch.", "augment."))}
    assert settings == KNOBS.keys() | ELSEWHERE


def test_all_three_optimizers_differ(small, draw_faces):
    weights = [trained(small({"train.optimizer": name}), draw_faces()) for name in ("adamw", "adam", "sgd")]
    assert not torch.allclose(weights[0], weights[1], atol=1e-7)
    assert not torch.allclose(weights[0], weights[2], atol=1e-7)
