"""Heat maps: bright where the rollout is large, over the photograph or without any of it."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from twinverify.reports.page.overlay import SIDE, heat_map, photograph


def pixels(address: str) -> np.ndarray:
    kind, data = address.split(";base64,")
    assert kind.startswith("data:image/")
    return np.asarray(Image.open(BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def test_the_patch_that_was_looked_at_is_the_brightest() -> None:
    look = np.zeros(16, np.float32)
    look[6] = 1  # row 1, column 2 of 4
    shown = pixels(heat_map(look, 0, None)).sum(axis=2)
    row, column = np.unravel_index(shown.argmax(), shown.shape)
    assert (row * 4 // SIDE, column * 4 // SIDE) == (1, 2)


def test_chosen_patches_are_outlined() -> None:
    look = np.zeros(16, np.float32)
    look[6] = 1
    shown = pixels(heat_map(look, 1, None))
    row, column, side = SIDE // 4, SIDE // 2, SIDE // 4
    assert (shown[row, column : column + side] == 255).all()
    assert (shown[row : row + side, column] == 255).all()
    assert not (shown[column, row : row + side] == 255).all()


def test_the_face_shows_where_the_model_did_not_look() -> None:
    face = np.zeros((3, 32, 32), np.uint8)
    face[1] = 200
    look = np.zeros(16, np.float32)
    look[6] = 1
    shown = pixels(heat_map(look, 0, face))
    assert np.abs(shown[-20:, :20].mean(axis=(0, 1)) - [0, 180, 0]).max() < 8
    bright = shown[SIDE // 4 + 15 : SIDE // 4 + 25, SIDE // 2 + 15 : SIDE // 2 + 25].mean(axis=(0, 1))
    assert bright[0] > 100


def test_without_the_photograph_two_faces_give_the_same_map() -> None:
    look = np.linspace(0, 1, 16, dtype=np.float32)
    face = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    assert heat_map(look, 2, None) == heat_map(look, 2, None)
    assert heat_map(look, 2, face) != heat_map(look, 2, None)


def test_an_even_rollout_has_no_bright_place() -> None:
    shown = pixels(heat_map(np.full(16, 0.1, np.float32), 0, None))
    assert shown.max() - shown.min() == pytest.approx(0, abs=4)


def test_a_photograph_is_the_face() -> None:
    face = np.zeros((3, 32, 32), np.uint8)
    face[0] = 200
    shown = pixels(photograph(face))
    assert shown.shape == (SIDE, SIDE, 3)
    assert np.abs(shown.mean(axis=(0, 1)) - [200, 0, 0]).max() < 4
