"""YAML is read as people mean it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from twinverify.errors import UserError
from twinverify.yaml12 import parse_yaml, read_yaml, spelled


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("010", 10),
        ("+3", 3),
        ("off", "off"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("48h", "48h"),
        ("[1, 2e1, off]", [1, 20.0, "off"]),
        ("'1e-3'", "1e-3"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    read = parse_yaml(text, "text")
    assert (read, type(read)) == (value, type(value))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans() | st.none())
def test_what_is_spelled_reads_back(value: Any) -> None:
    read = parse_yaml(spelled(value), "text")
    assert read == (pytest.approx(value, rel=1e-11) if isinstance(value, float) else value)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"])))
def test_a_text_that_pyyaml_wrote_reads_back_or_was_a_number(text: str) -> None:
    read = parse_yaml(yaml.safe_dump({"key": text}), "text")["key"]
    # The writer quotes by YAML 1.1, where `1e3` and `0.` need no quotes.
    assert read == text or isinstance(read, float)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", r"line 3: .*a stands here a second time"),
        ("a: 1\nb: [1", r"line 2: not valid YAML"),
        ("!!python/object/apply:os.system [ls]", r"not valid YAML .*python/object"),
        ("a: *nowhere", r"undefined alias"),
        ("9" * 5000, r"not valid YAML"),
        ("[" * 5000, r"not valid YAML"),
        ("\x00", r"not valid YAML"),
    ],
)
def test_bad_yaml_is_one_line_that_tells_where(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        parse_yaml(text, "file.yaml")
    assert str(caught.value).startswith("file.yaml")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: Ren\xe9")
    for path, reason in ((latin, "not UTF-8"), (tmp_path / "none.yaml", "No such file"), (tmp_path, "directory")):
        with pytest.raises(UserError, match=reason) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)
