"""`model.json`: read as it was written; of another version or damaged, one line."""

import json
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.serving.facts import FACTS_FILE, read_facts


def test_it_reads_what_it_wrote(model_copy: Path) -> None:
    facts = read_facts(model_copy)
    (model_copy / FACTS_FILE).write_text(facts.to_json())
    assert read_facts(model_copy) == facts


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2, "versions": {"twinverify": "9.1"}}, "of format 2, made by twinverify 9.1; this version reads"),
        ({"format": 0, "versions": None}, "of format 0, made by twinverify an unknown version"),
        ({"image_size": "large"}, "is damaged .image_size: "),
        ({"unheard_of": 1}, "is damaged .unheard_of: "),
    ],
)
def test_another_version_and_damage_are_told(model_copy: Path, change: dict[str, Any], told: str) -> None:
    path = model_copy / FACTS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=told):
        read_facts(model_copy)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"format": 1, "ver', "cannot be read"),
        (b"[1, 2]", "is not that of a model"),
        (b"\xff\xfe", "cannot be read"),
        (None, "not a model folder .model.json is missing"),
    ],
)
def test_half_a_file_is_told(model_copy: Path, content: bytes | None, told: str) -> None:
    path = model_copy / FACTS_FILE
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_facts(model_copy)


def test_a_file_is_no_model_folder(model_copy: Path) -> None:
    with pytest.raises(UserError, match="not a model folder"):
        read_facts(model_copy / FACTS_FILE)
