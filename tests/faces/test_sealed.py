from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.config import load_config, with_values
from twinverify.errors import UserError
from twinverify.faces.load import check_data, load_data
from twinverify.faces.sealed import open_test, sealed_digest, sealed_people
from twinverify.settings import Config

FEW = {"synthetic.families": 12, "synthetic.images": 3, "model.image_size": 32}


@pytest.fixture
def config() -> Config:
    return with_values(load_config("tiny"), FEW)


def drawn(folder: Path, people: int = 24) -> Path:
    noise = np.random.default_rng(0)
    for person in range(people):
        (folder / f"p{person:02d}").mkdir(parents=True)
        for image in range(2):
            pixels = noise.integers(0, 255, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{person:02d}" / f"{image}.png")
    pairs = "".join(f"p{number:02d},p{number + 1:02d}\n" for number in range(0, people, 2))
    (folder / "pairs.csv").write_text("a,b\n" + pairs)
    return folder


def digest(data: Path, config: Config, cache: Path) -> str:
    return sealed_digest(str(data), config, check_data(str(data), config, cache, data / "pairs.csv").test, cache)


def test_the_door_opens_the_test_side_and_no_other(config: Config, tmp_path: Path):
    split = check_data("synthetic", config, tmp_path)
    with open_test("synthetic", config, tmp_path) as faces:
        assert set(faces.person_ids) == {person.id for person in split.test.people}
        assert len(faces) == len(split.test.image_paths)
        assert faces.pixels.shape == (len(faces), 3, 32, 32)
        assert faces.pixels.std() > 5


def test_the_pixels_are_those_that_training_would_see(config: Config, tmp_path: Path):
    data = load_data("synthetic", config, tmp_path)
    turned = with_values(config, {"split.seed": 3})
    seen = {person.id for person in data.split.validation.people}
    with open_test("synthetic", turned, tmp_path) as faces:
        shared = sorted(seen & set(faces.person_ids))
        assert shared, "choose another split.seed"
        one = faces.person == faces.person_ids.index(shared[0])
        other = data.validation.person == data.validation.person_ids.index(shared[0])
        of_test, of_training = faces.pixels[faces.rows[one]], data.validation.pixels[data.validation.rows[other]]
        assert np.array_equal(of_test, of_training)


def test_nothing_of_it_stays_in_the_cache(config: Config, tmp_path: Path):
    load_data("synthetic", config, tmp_path)
    before = {path: path.stat().st_size for path in tmp_path.iterdir()}
    with open_test("synthetic", config, tmp_path):
        assert {path: path.stat().st_size for path in tmp_path.iterdir()} == before
    assert {path: path.stat().st_size for path in tmp_path.iterdir()} == before


def test_each_seed_s_deal_leaves_the_same_test(config: Config, tmp_path: Path):
    plain = check_data("synthetic", config, tmp_path).test
    with open_test("synthetic", with_values(config, {"split.reshuffle": 5}), tmp_path) as faces:
        assert set(faces.person_ids) == {person.id for person in plain.people}


def test_a_moved_and_renamed_data_set_is_the_same_test(config: Config, tmp_path: Path):
    here, there = drawn(tmp_path / "here"), drawn(tmp_path / "there")
    assert digest(here, config, tmp_path / "cache") == digest(there, config, tmp_path / "cache")


def test_other_pictures_or_people_are_another_test(config: Config, tmp_path: Path):
    data, cache = drawn(tmp_path / "data"), tmp_path / "cache"
    before = digest(data, config, cache)
    assert digest(data, with_values(config, {"split.seed": 3}), cache) != before
    person = check_data(str(data), config, cache, data / "pairs.csv").test.people[0]
    Image.fromarray(np.full((20, 20), 7, np.uint8)).save(person.images[0])
    assert digest(data, config, cache) != before


def test_synthetic_faces_are_told_apart_by_their_settings(config: Config, tmp_path: Path):
    def told(**changes: float) -> str:
        changed = with_values(config, {key.replace("__", "."): value for key, value in changes.items()})
        return sealed_digest("synthetic", changed, check_data("synthetic", changed, tmp_path).test, tmp_path)

    assert told() == told(model__image_size=64) == told(train__lr=0.01)
    assert told(synthetic__difference=0.4) != told()


def marks(people: tuple[str, ...]) -> list[set[str]]:
    return [set(person.split()) for person in people]


def known(data: Path, config: Config, cache: Path) -> tuple[str, ...]:
    return sealed_people(str(data), config, check_data(str(data), config, cache, data / "pairs.csv").test, cache)


def test_people_are_known_by_each_picture_under_another_name_and_with_one_more(config: Config, tmp_path: Path):
    data, cache = drawn(tmp_path / "data"), tmp_path / "cache"
    before = known(data, config, cache)
    people = check_data(str(data), config, cache, data / "pairs.csv").test.people
    assert len(before) == len(people) == len(set(before))
    for number, person in enumerate(people):
        person.images[0].rename(person.images[0].with_name("renamed.png"))
        Image.fromarray(np.full((20, 20), number, np.uint8)).save(person.images[0])
    after = known(data, config, cache)
    assert not set(before) & set(after)
    assert [len(old & new) for old, new in zip(marks(before), marks(after), strict=True)] == [2] * len(people)


def test_synthetic_people_are_known_in_another_deal_and_among_more(config: Config, tmp_path: Path):
    def told(**changes: float) -> dict[str, str]:
        changed = with_values(config, {key.replace("__", "."): value for key, value in changes.items()})
        test = check_data("synthetic", changed, tmp_path).test
        marks = sealed_people("synthetic", changed, test, tmp_path)
        return {person.id.lstrip("f0"): mark for person, mark in zip(test.people, marks, strict=True)}

    before = told(split__test=0.4)
    for changes in ({"split__seed": 3}, {"split__test": 0.15}, {"synthetic__families": 120}, {"synthetic__images": 4}):
        after = told(**({"split__test": 0.4} | changes))
        assert before.keys() & after.keys(), f"choose another change than {changes}"
        assert all((before[id] == mark) == (id == other) for id in before for other, mark in after.items())
    for changes in ({"synthetic__seed": 1}, {"synthetic__difference": 0.4}):
        assert not set(before.values()) & set(told(**changes).values())


def test_an_image_that_broke_is_named(config: Config, tmp_path: Path):
    data = drawn(tmp_path / "data")
    person = check_data(str(data), config, tmp_path / "cache", data / "pairs.csv").test.people[0]
    person.images[0].write_bytes(b"no image")
    with (
        pytest.raises(UserError, match=rf"{person.id}/0\.png cannot be read \(not an image\)"),
        open_test(str(data), config, tmp_path / "cache", data / "pairs.csv"),
    ):
        pass
