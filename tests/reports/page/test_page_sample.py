"""Which images are looked at: bounded, whole families, nobody named."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.config import load_config, with_values
from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue, Person
from twinverify.reports.page.sample import affordable, take_sample

CONFIG = with_values(load_config("tiny"), {"model.image_size": 16, "model.patch_size": 8}, where="test")


def catalogue(folder: Path, people: dict[str, int], pairs: list[tuple[str, str]]) -> Catalogue:
    found = []
    for number, (id, images) in enumerate(people.items()):
        paths = []
        for image in range(images):
            path = folder / id / f"{image}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (16, 16), (number, image, 0)).save(path)
            paths.append(path)
        found.append(Person(id, tuple(paths)))
    return Catalogue("made", folder, tuple(sorted(found, key=lambda p: p.id)), tuple(pairs), identical=())


def test_a_small_side_is_taken_whole(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {"90004": 3, "90005": 2, "90006": 2}, [("90004", "90005")])
    sample = take_sample(made, CONFIG)
    assert sample.whole == len(sample.pixels) == 7
    assert sample.person.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert sample.twins == {(0, 1)}
    assert [(sample.family[p], sample.letter[p]) for p in range(3)] == [(1, "a"), (1, "b"), (2, "a")]
    assert sample.pixels[4, :, 0, 0].tolist() == [1, 1, 0]


def test_a_large_model_sees_fewer_images(tmp_path: Path) -> None:
    large = load_config("vit_base_448")
    assert affordable(CONFIG) == 400
    assert 16 <= affordable(large) < 100


def test_of_many_people_whole_twin_families_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinverify.reports.page.sample.affordable", lambda config: 8)
    people = {f"s{number}": 6 for number in range(4)} | {"t1": 6, "t2": 6, "u1": 6, "u2": 6}
    sample = take_sample(catalogue(tmp_path, people, [("t1", "t2"), ("u1", "u2")]), CONFIG)
    assert len(sample.pixels) == 8
    assert sample.whole == 48
    assert len(sample.twins) == 2
    assert np.bincount(sample.person).tolist() == [2, 2, 2, 2]


def test_pictures_under_two_names_are_one(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {"a": 2, "b": 2}, [("a", "b")])
    twice = Catalogue(**{**made.__dict__, "identical": ((made.people[0].images[1], made.people[1].images[0]),)})
    content = take_sample(twice, CONFIG).content
    assert content[1] == content[2]
    assert len(set(content.tolist())) == 3


def test_an_image_that_cannot_be_read_is_not_named(tmp_path: Path) -> None:
    made = catalogue(tmp_path, {"90004": 2, "90005": 2}, [("90004", "90005")])
    made.people[0].images[0].write_bytes(b"no image")
    with pytest.raises(UserError) as refused:
        take_sample(made, CONFIG)
    assert "90004" not in str(refused.value)
