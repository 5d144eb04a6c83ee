"""Small faces and a small model that train in a second."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from twinverify.config import with_values
from twinverify.faces.faceset import FaceSet
from twinverify.settings import Config

SMALL: dict[str, Any] = {
    "model.image_size": 32,
    "model.patch_size": 8,
    "model.width": 48,
    "model.depth": 2,
    "model.heads": 3,
    "model.glca.heads": 3,
    "model.glca.local_ratio": 0.25,
    "model.pwca.blocks": 2,
    "train.epochs": 3,
    "train.lr": 1e-3,
    "batch.people": 4,
    "batch.images": 2,
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def small() -> Callable[..., Config]:
    """Give a function: dotted keys, with __ for the dots -> a small configuration with these values."""

    def make(values: dict[str, Any] | None = None) -> Config:
        return with_values(Config(), SMALL | (values or {}))

    return make


@pytest.fixture(scope="session")
def draw_faces() -> Callable[..., FaceSet]:
    """Give a function that draws twin families: twins share a pattern and differ in a mark, images in light."""

    def smooth(rng: np.random.Generator, count: int, amplitude: float) -> np.ndarray:
        return np.kron(rng.normal(0, amplitude, (count, 3, 4, 4)), np.ones((1, 1, 8, 8)))

    def make(families: int = 4, images: int = 4, seed: int = 0, twins: bool = True) -> FaceSet:
        rng = np.random.default_rng(seed)
        people = 2 * families
        person = np.repeat(np.arange(people), images)
        faces = np.repeat(smooth(rng, families, 40), 2 * images, axis=0) + smooth(rng, len(person), 15) + 128
        for row, who in enumerate(person):
            left = 4 + 12 * (who % 2)
            faces[row, :, 8:24, left : left + 8] += 90
        pixels = np.clip(faces, 0, 255).astype(np.uint8)
        pairs = np.arange(people).reshape(-1, 2) if twins else np.empty((0, 2), np.int64)
        family = person // 2 if twins else person
        names = tuple(f"{who:03d}" for who in range(people))
        return FaceSet(pixels, np.arange(len(person)), person, family, np.arange(len(person)), pairs, names)

    return make
