"""The keys of `tune`: what is taken, what is refused, and what comes back from a file."""

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from twinverify.search.options import CHANGEABLE, TuneOptions, is_plain_name


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("45s", 45.0),
        ("90m", 5400.0),
        ("48h", 172_800.0),
        ("2d", 172_800.0),
        ("1.5h", 5400.0),
        (".5h", 1800.0),
        (" 2 h ", 7200.0),
        (3600, 3600.0),
        (0.5, 0.5),
    ],
)
def test_a_budget_is_a_number_with_a_unit_or_seconds(written: str | float, seconds: float) -> None:
    assert TuneOptions.model_validate({"budget": written}).budget == seconds


@pytest.mark.parametrize(
    "written", ["", "h", ".h", "1.2.3h", "-3h", "0h", "2w", "48 hours", "1h30m", -1, 0, float("inf")]
)
def test_a_budget_that_is_no_time_is_refused(written: str | float) -> None:
    with pytest.raises(ValidationError) as refused:
        TuneOptions.model_validate({"budget": written})
    assert "could not convert" not in str(refused.value)


@pytest.mark.parametrize("value", [0, 0.25, 1, 1.0, 2, 3.0, "auto"])
def test_a_gpu_share_is_up_to_one_or_whole(value: float | str) -> None:
    assert TuneOptions.model_validate({"gpus_per_trial": value}).gpus_per_trial == value


@pytest.mark.parametrize("value", [1.5, 2.25, -0.1, -1, "all", float("nan"), float("inf")])
def test_other_gpu_shares_are_refused(value: float | str) -> None:
    with pytest.raises(ValidationError):
        TuneOptions.model_validate({"gpus_per_trial": value})


@pytest.mark.parametrize(
    "wrong",
    [
        {"trials": 0},
        {"epochs": 0},
        {"seed": -1},
        {"seed": 2**32},
        {"concurrency": 0},
        {"concurrency": "many"},
        {"reduction_factor": 1},
        {"grace_epochs": 0},
        {"keep": 0},
        {"cpus_per_trial": 0},
        {"sampler": "cmaes"},
        {"scheduler": "hyperband"},
        {"experiment": ""},
        {"name": "../elsewhere"},
        {"trails": 3},
    ],
    ids=str,
)
def test_what_is_out_of_range_or_unknown_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TuneOptions.model_validate(wrong)


@pytest.mark.parametrize("name", ["glca_heads", "a", "2026-11-23", "lr.v2", "_x", "-x", "A" * 100])
def test_plain_names_are_taken(name: str) -> None:
    assert is_plain_name(name)
    assert TuneOptions.model_validate({"name": name}).name == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\n", "a\0", "ü", "A" * 101, "~"])
def test_names_that_could_leave_the_folder_are_not_plain(name: str) -> None:
    assert not is_plain_name(name)


@given(st.text(max_size=8))
def test_a_plain_name_is_one_part_of_a_path(name: str) -> None:
    from pathlib import PurePosixPath, PureWindowsPath

    if is_plain_name(name):
        assert PurePosixPath("/sweeps", name).parts == ("/", "sweeps", name)
        assert PureWindowsPath("c:/sweeps", name).parts == ("c:\\", "sweeps", name)


def test_options_come_back_from_their_json_form() -> None:
    options = TuneOptions.model_validate(
        {"space": "pwca", "budget": "2d", "pairs": "/data/pairs.json", "gpus_per_trial": 0.25, "concurrency": 3}
    )
    assert TuneOptions.model_validate(options.model_dump(mode="json")) == options
    assert TuneOptions.model_validate(TuneOptions().model_dump(mode="json")) == TuneOptions()


def test_what_may_change_on_resume_are_keys() -> None:
    assert set(TuneOptions.model_fields) >= CHANGEABLE


def test_every_key_has_a_line_of_help() -> None:
    assert [key for key, field in TuneOptions.model_fields.items() if not field.description] == []
    assert typing.get_type_hints(TuneOptions)
