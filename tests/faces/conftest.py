"""Small data sets of real image files, made anew for each test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePeople = Callable[..., Path]


@pytest.fixture
def make_people(tmp_path: Path) -> MakePeople:
    """Give a function that writes one folder of different 12 x 12 PNG images for each person."""

    def make(*ids: str, images: int = 2, where: str = "data") -> Path:
        root = tmp_path / where
        root.mkdir(exist_ok=True)
        for id in ids:
            (root / id).mkdir()
            rng = np.random.default_rng(list(id.encode()))
            for number in range(images):
                pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / id / f"{id}d{number}.png")
        return root

    return make
