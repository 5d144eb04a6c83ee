"""The size of checkpoints by arithmetic, against real files and real models."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from twinverify.backbones import _defined_names
from twinverify.config import with_values
from twinverify.faces.faceset import FaceSet
from twinverify.model.vit import build_backbone
from twinverify.search.checkpoint_size import _PLAIN, _backbone, checkpoint_size
from twinverify.settings import Config
from twinverify.training.loop import fit

SMALL: dict[str, Any] = {
    "model.image_size": 32,
    "model.patch_size": 16,
    "model.width": 48,
    "model.depth": 2,
    "model.heads": 3,
    "model.glca.heads": 3,
    "model.pwca.blocks": 1,
    "train.epochs": 1,
    "batch.people": 4,
    "batch.images": 2,
}
CASES: dict[str, dict[str, Any]] = {
    "default": {},
    "three epochs": {"train.epochs": 3},
    "no GLCA": {"model.glca.blocks": 0},
    "three GLCA blocks": {"model.glca.blocks": 3},
    "GLCA anew with other heads": {"model.glca.init": "random", "model.glca.heads": 6},
    "no PWCA": {"model.pwca.blocks": 0},
    "embedding": {"model.embedding_width": 200},
    "embedding without GLCA": {"model.embedding_width": 200, "model.glca.blocks": 0},
    "average": {"train.ema": 0.99},
    "adam": {"train.optimizer": "adam"},
    "sgd": {"train.optimizer": "sgd"},
    "layer decay": {"train.layer_decay": 0.7},
    "frozen": {"model.frozen_blocks": 1},
    "wholly frozen": {"model.frozen_blocks": 2, "train.optimizer": "sgd"},
    "arcface": {"loss.identity.head": "arcface"},
    "cosface": {"loss.identity.head": "cosface", "model.embedding_width": 64},
    "adaface": {"loss.identity.head": "adaface"},
    "no identity head": {"loss.identity.weight": 0},
    "no pairs": {"loss.pair.bce_weight": 0},
    "soft triplets": {"loss.triplet.kind": "soft"},
    "fixed weights": {"loss.branches.weighting": "fixed"},
    "fixed weights, PWCA without loss": {"loss.branches.weighting": "fixed", "loss.branches.pwca": 0},
    "deit3": {"model.backbone": "deit3_small_patch16_224"},
    "dinov2": {"model.backbone": "vit_small_patch14_dinov2"},
    "registers": {"model.backbone": "vit_small_patch14_reg4_dinov2"},
    "asked of timm": {"model.backbone": "vit_base_patch16_clip_224"},
    "all": {"train.ema": 0.9, "model.glca.blocks": 3, "model.embedding_width": 64, "loss.identity.head": "adaface"},
}


@pytest.fixture(scope="module")
def faces() -> FaceSet:
    """Twelve people of noise: a large identity head beside a small model."""
    people, images = 12, 2
    noise = np.random.default_rng(0).integers(0, 255, (people * images, 3, 32, 32), dtype=np.uint8)
    rows, person = np.arange(len(noise)), np.repeat(np.arange(people), images)
    names = tuple(f"{who:03d}" for who in range(people))
    return FaceSet(noise, rows, person, person // 2, rows, np.arange(people).reshape(-1, 2), names)


@pytest.mark.parametrize("values", CASES.values(), ids=CASES)
def test_the_prediction_is_the_size_of_the_real_files(values: dict[str, Any], faces: FaceSet, tmp_path: Path) -> None:
    config = with_values(Config(), SMALL | values)
    list(fit(config, faces, faces, folder=tmp_path))
    for name, told in checkpoint_size(config, 12)._asdict().items():
        real = (tmp_path / f"{name}.safetensors").stat().st_size
        assert 0.999 * real <= told <= 1.01 * real, f"{name}: {told} told, {real} real"


PLAIN = sorted(name for name in _defined_names() if _PLAIN.match(name))


def test_most_of_timms_plain_vits_are_known() -> None:
    assert len(PLAIN) > 20
    assert {"deit_tiny_patch16_224", "vit_base_patch16_224", "vit_small_patch14_dinov2"} <= set(PLAIN)


@pytest.mark.parametrize("name", PLAIN)
def test_every_backbone_known_by_its_name_has_the_elements_that_timm_gives_it(name: str) -> None:
    model = Config().model.model_copy(update={"backbone": name})
    with torch.device("meta"):
        built = build_backbone(model)
    found = _backbone(model)
    sizes = sorted((*found.stem, *found.block * found.depth, *found.norm))
    assert sizes == sorted(tensor.numel() for tensor in built.state_dict().values())


def test_no_torch_is_loaded_for_a_plain_backbone() -> None:
    code = (
        "import sys; from twinverify.settings import Config;"
        "from twinverify.search.checkpoint_size import checkpoint_size;"
        "print(checkpoint_size(Config(), 100), 'torch' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert re.fullmatch(r"CheckpointSize\(last=\d+, best=\d+\) False\n", out), out
