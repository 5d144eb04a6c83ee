"""How numbers, times and drawn values read on a screen."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinverify.config import leaves
from twinverify.reports.words import duration, settings, short_names, value
from twinverify.settings import Config


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45.2, "45 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (60, "1:00 min"),
        (200, "3:20 min"),
        (3599.4, "59:59 min"),
        (3599.6, "1:00 h"),
        (7500, "2:05 h"),
        (86_399, "23:59 h"),
        (86_400, "1 d 0 h"),
        (100_800, "1 d 4 h"),
        (10_000_000, "115 d 17 h"),
    ],
)
def test_a_duration_has_the_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("drawn", "text"),
    [
        (3, "3"),
        (0, "0"),
        (1234567, "1234567"),
        (0.21378, "0.214"),
        (1e-5, "1e-05"),
        (0.0, "0"),
        (32.0, "32"),
        (True, "true"),
        (False, "false"),
        (None, "null"),
        ("rollout", "rollout"),
    ],
)
def test_a_value_reads_short_and_as_it_is_written_in_yaml(drawn: Any, text: str) -> None:
    assert value(drawn) == text


def test_short_names_are_the_shortest_that_tell_apart() -> None:
    keys = [
        "model.glca.heads",
        "model.glca.local_ratio",
        "model.heads",
        "model.pwca.blocks",
        "model.glca.blocks",
        "seed",
    ]
    assert short_names(keys) == {
        "model.glca.heads": "glca.heads",
        "model.glca.local_ratio": "local_ratio",
        "model.heads": "model.heads",
        "model.pwca.blocks": "pwca.blocks",
        "model.glca.blocks": "glca.blocks",
        "seed": "seed",
    }
    assert short_names([]) == {}


@given(st.sets(st.sampled_from(sorted(leaves(Config))), max_size=20))
def test_no_two_settings_share_a_short_name(keys: set[str]) -> None:
    short = short_names(sorted(keys))
    assert set(short) == keys
    assert len(set(short.values())) == len(keys)
    for key, name in short.items():
        assert key == name or key.endswith(f".{name}")


def test_settings_are_one_line() -> None:
    values = {"model.glca.heads": 3, "train.clip": None, "train.lr": 0.00123456}
    names = {"model.glca.heads": "heads", "train.lr": "lr"}
    assert settings(values, names) == "heads 3, train.clip null, lr 0.00123"
    assert settings({}, names) == ""
