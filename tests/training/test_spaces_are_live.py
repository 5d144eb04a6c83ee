"""Every setting of every space, wherever the space lets it exist, changes the weights or the embeddings."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from twinverify.config import load_config, with_values
from twinverify.faces.faceset import FaceSet
from twinverify.places import spaces_folder
from twinverify.search.space import Space, load_space
from twinverify.settings import Config
from twinverify.training.epoch import train_epoch
from twinverify.training.evaluate import embed_faces
from twinverify.training.learner import Learner
from twinverify.training.randomness import own_process_state

#: As `tiny`, smaller still, with batches so small that an epoch has several steps.
SMALL = {"model.image_size": 32, "model.depth": 3, "model.pwca.blocks": 2, "batch.people": 4, "batch.images": 2}
BASE = with_values(load_config("tiny"), SMALL | {"train.epochs": 3})
SPACES = {path.stem: load_space(path.stem, BASE) for path in spaces_folder().glob("*.yaml") if path.stem != "full"}
#: What is held still while another key moves: with more people a batch than there are, sampling has no choice left.
STILL = {"train.warmup": 0.0, "train.clip": 0.5, "train.ema": 0.99, "batch.people": 4, "batch.images": 2}


def outcome(config: Config, faces) -> torch.Tensor:
    """Give all weights after an epoch, and the embeddings that they make."""
    with own_process_state(config.seed, 0):
        learner = Learner(config, len(faces.person_ids))
    with own_process_state(config.seed, 1):
        train_epoch(learner, faces, 1)
    weights = [weight.flatten().float() for weight in learner.judged.state_dict().values()]
    embeddings = torch.from_numpy(embed_faces(learner.judged, faces, learner.hardware))
    return torch.cat([*weights, embeddings.flatten()])


def enlarged(faces: FaceSet, values: dict) -> FaceSet:
    """Give the faces, drawn at 32 px, at the size that the space draws."""
    size = values.get("model.image_size", 32)
    places = np.arange(size) * 32 // size
    return replace(faces, pixels=np.ascontiguousarray(faces.pixels[:, :, places][:, :, :, places]))


def draw_with(space: Space, key: str, position: float, seed: int) -> dict | None:
    """Draw the space with `key` at a position of its domain, all other settings at the same place for a seed."""

    def pick(drawn: str, name: str, domain):
        if drawn == key:
            return domain.at(position)
        still = STILL.get(drawn)
        if still is not None and still in domain:
            return still
        return domain.at(random.Random(f"{seed}/{drawn}").random())

    values = space.walk(pick)
    return values if key in values else None


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, space in SPACES.items() for key in space.keys])
def test_a_drawn_setting_is_live(name: str, key: str, draw_faces) -> None:
    space, tried = SPACES[name], []
    for seed in range(200):
        both = [draw_with(space, key, position, seed) for position in (0.001, 0.999)]
        if None in both or both[0][key] == both[1][key]:
            continue
        tried.append(both)
        one, other = (outcome(with_values(BASE, values), enlarged(draw_faces(families=6), values)) for values in both)
        if one.shape != other.shape or not torch.allclose(one, other, atol=1e-7):
            return
        if len(tried) == 3:
            break
    assert tried, f"{key} is never drawn"
    pytest.fail(f"{key} changes nothing: {tried}")
