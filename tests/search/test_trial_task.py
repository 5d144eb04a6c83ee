"""What an actor shares between trials: the data, where they agree in what decides it."""

import pytest

from twinverify.config import load_config, with_values
from twinverify.search.trial import _data_settings
from twinverify.settings import Config

TINY = load_config("tiny")


@pytest.mark.parametrize(
    "drawn",
    [
        {"model.glca.heads": 2, "model.glca.blocks": 2},
        {"train.lr": 0.01, "batch.people": 8, "seed": 5},
        {"model.width": 48, "model.depth": 6, "model.pwca.blocks": 2},
        {"augment.rotation": 10.0, "loss.triplet.kind": "off"},
    ],
    ids=str,
)
def test_trials_that_agree_in_their_data_load_it_once(drawn: dict[str, object]) -> None:
    assert _data_settings(with_values(TINY, drawn)) == _data_settings(TINY)


@pytest.mark.parametrize(
    "other",
    [
        {"model.image_size": 32},
        {"split.seed": 1},
        {"split.test": 0.2},
        {"synthetic.families": 20},
        {"synthetic.seed": 3},
    ],
    ids=str,
)
def test_trials_with_other_data_do_not_share_it(other: dict[str, object]) -> None:
    assert _data_settings(with_values(TINY, other)) != _data_settings(TINY)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"model.image_size": 98, "model.patch_size": 14},
        {"model.backbone": "vit_small_patch14_dinov2", "model.image_size": None, "model.patch_size": None},
    ],
    ids=str,
)
def test_the_settings_come_back_with_the_image_size_that_will_be_built(values: dict[str, object]) -> None:
    base = Config() if "model.backbone" in values else TINY
    config = with_values(base, {**values, "split.seed": 2, "synthetic.images": 3})
    back = Config.model_validate_json(_data_settings(config))
    assert back.model.shape().image_size == config.model.shape().image_size
    assert (back.split, back.synthetic) == (config.split, config.synthetic)
