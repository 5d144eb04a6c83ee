"""What is told of a data set: digest and counts, and nothing of whom or where."""

import json
from pathlib import Path

from planning import Planned, faces

from twinverify.search.data_facts import read_facts, side_facts, write_facts


def test_each_side_has_counts_and_a_digest_of_its_own(planned: Planned) -> None:
    plan = planned(space="glca_heads")
    train, validation = side_facts(plan.split, plan.data_digest)
    assert (train.name, train.context, validation.context) == ("synthetic", "training", "validation")
    assert train.digest != validation.digest
    assert train.counts["people"] == len(plan.split.train.people)
    assert validation.counts["images"] == len(plan.split.validation.image_paths)
    assert side_facts(plan.split, "another")[0].digest != train.digest


def test_neither_people_nor_places_are_in_the_file(planned: Planned, tmp_path: Path) -> None:
    plan = planned({}, space="glca_heads", data=str(faces(tmp_path / "secret" / "mine")), objective="val/general_eer")
    facts = side_facts(plan.split, plan.data_digest)
    write_facts(tmp_path, facts)
    assert read_facts(tmp_path) == facts
    text = (tmp_path / "dataset.json").read_text()
    assert "secret" not in text
    assert not [person.id for person in plan.split.train.people if person.id in text]
    assert {each["name"] for each in json.loads(text)} == {"mine"}


def test_a_damaged_file_tells_nothing(tmp_path: Path) -> None:
    assert read_facts(tmp_path) == []
    (tmp_path / "dataset.json").write_text('[{"name": "a"')
    assert read_facts(tmp_path) == []
    (tmp_path / "dataset.json").write_text('[{"other": 1}]')
    assert read_facts(tmp_path) == []
