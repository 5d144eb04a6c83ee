"""What the model of the best epoch looks at is drawn whenever the training is there, with faces only where allowed."""

import logging

import numpy as np
import pytest
from PIL import Image

from twinverify.faces.overlay import _colours
from twinverify.faces.pictures import epoch_of
from twinverify.training.loop import fit
from twinverify.training.names import ROLLOUT
from twinverify.training.report import best_epoch


@pytest.fixture
def train(small, draw_faces, tmp_path):
    def run(epochs=3, photographs=False, folder=tmp_path, **values):
        config = small({"train.epochs": 4} | values)
        training = fit(config, draw_faces(), draw_faces(seed=1), folder=folder, photographs=photographs)
        reports = [next(training) for _ in range(epochs)]
        training.close()
        return reports

    return run


def test_it_is_of_the_best_epoch(train, tmp_path):
    assert epoch_of(tmp_path / ROLLOUT) is None
    reports = train()
    assert epoch_of(tmp_path / ROLLOUT) == best_epoch(reports, "val/twin_eer")


def test_without_photographs_it_shows_attention_alone(train, tmp_path):
    train(epochs=1)
    train(epochs=1, photographs=True, folder=tmp_path / "shown")
    alone, shown = (Image.open(folder / ROLLOUT) for folder in (tmp_path, tmp_path / "shown"))
    assert alone.width == shown.width
    assert shown.height == pytest.approx(2 * alone.height, abs=4)
    # Nothing but the colours of the map, and white between and around its patches.
    palette = {tuple(colour) for colour in _colours().round().astype(int).tolist()} | {(255, 255, 255)}
    assert {colour for _, colour in alone.getcolors(2**20)} <= palette
    assert not {colour for _, colour in shown.getcolors(2**20)} <= palette


def test_the_metrics_are_those_of_a_training_without_a_folder(train, small, draw_faces):
    drawn = train()
    plain = list(fit(small({"train.epochs": 4}), draw_faces(), draw_faces(seed=1)))[:3]
    speed = "train/images_per_second"
    assert [{**each.metrics, speed: 0} for each in drawn] == [{**each.metrics, speed: 0} for each in plain]


@pytest.mark.parametrize("damage", ["lost", "cut off", "of another epoch"])
def test_it_is_drawn_again_from_the_best_weights(train, tmp_path, damage):
    train()
    path = tmp_path / ROLLOUT
    before, epoch = np.asarray(Image.open(path)), epoch_of(path)
    if damage == "lost":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:200])
    else:
        Image.new("RGB", (3, 3)).save(path)
    train()
    assert epoch_of(path) == epoch
    assert np.array_equal(np.asarray(Image.open(path)), before)


def test_the_log_tells_each_epoch_once_and_where_it_was_taken_up(train, caplog):
    caplog.set_level(logging.INFO, logger="twinverify")
    train(epochs=2)
    train(epochs=3)
    told = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert told == ["epoch 1 of 4", "epoch 2 of 4", "taken up after epoch 2", "epoch 3 of 4"]
