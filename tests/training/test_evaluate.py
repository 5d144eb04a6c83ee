"""The memory of a validation: each embedding once; and what is kept of it, by family."""

import tracemalloc
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch

from twinverify.faces.faceset import FaceSet
from twinverify.model.dcal import Dcal
from twinverify.settings import Config
from twinverify.training import evaluate as evaluate_module
from twinverify.training.device import Hardware, choose_hardware
from twinverify.training.evaluate import embed_faces, validate

IMAGES, WIDTH = 2000, 2048
BYTES = IMAGES * WIDTH * 4


class Brightness(torch.nn.Module):
    """In place of a model: a wide embedding at no cost, in memory that tracemalloc sees."""

    embedding = WIDTH

    def embed(self, images: torch.Tensor) -> torch.Tensor:
        """Give rows that start with an image's first pixel."""
        rows = np.ones((len(images), WIDTH), np.float32)
        rows[:, 0] = images[:, 0, 0, 0]
        return torch.from_numpy(rows)


@pytest.fixture
def model() -> Dcal:
    return cast(Dcal, Brightness())


@pytest.fixture
def faces() -> FaceSet:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (IMAGES, 3, 4, 4), dtype=np.uint8)
    person = np.arange(IMAGES) // 4
    names = tuple(map(str, range(IMAGES // 4)))
    pairs = np.arange(IMAGES // 4).reshape(-1, 2)
    return FaceSet(pixels, np.arange(IMAGES), person, person // 2, np.arange(IMAGES), pairs, names)


@pytest.fixture
def hardware() -> Hardware:
    return choose_hardware(Config().train)


def test_the_embeddings_are_held_once(model: Dcal, faces: FaceSet, hardware: Hardware) -> None:
    tracemalloc.start()
    embeddings = embed_faces(model, faces, hardware)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * BYTES, f"{peak / BYTES:.2f} times the embeddings"
    np.testing.assert_allclose(embeddings[:, 0], faces.pixels[:, 0, 0, 0] / 255, atol=1e-6)


def test_the_embeddings_are_held_once_while_the_curves_are_drawn(
    model: Dcal, faces: FaceSet, hardware: Hardware, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def metrics(scores: Any) -> dict[str, float]:
        held.append(tracemalloc.get_traced_memory()[0])
        return {"pairs": float(len(scores.same))}

    monkeypatch.setattr(evaluate_module, "verification_metrics", metrics)
    tracemalloc.start()
    measured = validate(model, faces, hardware)
    tracemalloc.stop()
    assert measured.metrics == {"pairs": IMAGES * 3 / 2}
    # The scores of two million pairs are there, and the embeddings once.
    assert held[0] < 4 * 2_100_000 + 1.25 * BYTES, f"{held[0] / BYTES:.2f} times the embeddings"


def test_a_family_is_called_by_its_first_person_whatever_else_is_in_the_set(
    model: Dcal, faces: FaceSet, hardware: Hardware
) -> None:
    ids = tuple(f"{(7 * number) % 500:03d}" for number in range(len(faces.person_ids)))
    few = replace(faces, rows=faces.rows[:40], person=faces.person[:40], family=faces.family[:40], person_ids=ids)
    few = replace(few, content=faces.content[:40], twin_pairs=faces.twin_pairs[:5])
    kept = validate(model, few, hardware).by_family(epoch=3)
    assert kept.families.tolist() == [min(ids[2 * number], ids[2 * number + 1]) for number in range(5)]
    assert kept.epoch == 3
