"""The configuration: what it takes, what it refuses and how it says so."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field
from pydantic.fields import FieldInfo

from twinverify.config import PRESETS, checked, dump_config, flatten, leaves, load_config, nest, with_values
from twinverify.errors import UserError
from twinverify.fields import describe
from twinverify.settings import Config, Settings

NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_survives_writing_and_reading(name: str, tmp_path: Path) -> None:
    config = load_config(name)
    file = tmp_path / "config.yaml"
    file.write_text(dump_config(config), encoding="utf-8")
    assert load_config(file) == config


def test_the_presets_are_those_that_the_readme_names() -> None:
    assert NAMES == ["default", "small", "tiny", "vit_base_448"]


def test_every_setting_has_a_description_and_words_for_what_it_allows() -> None:
    for key, field in leaves(Config).items():
        assert field.description, key
        assert not {"<class", "typing"} & set(describe(field).replace(".", " ").split()), key


class Bounds(Settings):
    """Every kind of bound."""

    low: int = Field(1, ge=1)
    above: float | None = Field(None, gt=0)
    high: float = Field(1, le=2)
    below: float = Field(1, lt=2)
    share: float | Literal["auto"] = Field("auto", ge=0, le=1)
    names: list[str] = Field([])


def test_bounds_read_as_words() -> None:
    assert {key: describe(field) for key, field in leaves(Bounds).items()} == {
        "low": "integer, 1 or more",
        "above": "number (above 0) or null",
        "high": "number, 2 or less",
        "below": "number, below 2",
        "share": "number (0 to 1) or auto",
        "names": "a list",
    }


def test_flat_and_nested_are_the_same() -> None:
    flat = flatten(load_config("tiny"))
    assert flat.keys() == leaves(Config).keys()
    assert Config.model_validate(nest(flat)) == load_config("tiny")


def test_overrides_change_their_settings_only() -> None:
    base = load_config("tiny")
    changed = flatten(with_values(base, {"train.lr": 0.5, "model.glca.blocks": 0}))
    assert {key for key, value in flatten(base).items() if changed[key] != value} == {"train.lr", "model.glca.blocks"}


def numbers(field: FieldInfo) -> bool:
    return bool({int, float} & set(get_args(field.annotation) or (field.annotation,)))


@given(st.sampled_from(sorted(key for key, field in leaves(Config).items() if numbers(field))), st.data())
def test_a_number_is_taken_exactly_within_its_range(key: str, data: st.DataObject) -> None:
    field = leaves(Config)[key]
    limits = {
        name: value
        for constraint in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if (value := getattr(constraint, name, None)) is not None
    }
    number = data.draw(st.integers(-5, 20_000) | st.sampled_from([v + d for v in limits.values() for d in (-1, 0, 1)]))
    inside = (
        limits.get("ge", number) <= number <= limits.get("le", number)
        and number > limits.get("gt", number - 1)
        and number < limits.get("lt", number + 1)
    )
    if inside:
        assert checked(key, number, "test") == number
    else:
        with pytest.raises(UserError, match="allowed: "):
            checked(key, number, "test")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"model.glca.headz": 3}, "here: model.glca.headz is not a setting; did you mean model.glca.heads?"),
        ({"local_ratio": 0.2}, "here: local_ratio is not a setting; did you mean model.glca.local_ratio?"),
        ({"model.glca": 3}, "here: model.glca is a group of settings; set those in it, such as model.glca.blocks"),
        ({"model.glca.blocks": 4}, "here: model.glca.blocks is 4; allowed: integer, 0 to 3"),
        ({"model.glca.blocks": True}, "here: model.glca.blocks is true; allowed: integer, 0 to 3"),
        ({"model.glca.blocks": 1.5}, "here: model.glca.blocks is 1.5; allowed: integer, 0 to 3"),
        ({"model.glca.blocks": None}, "here: model.glca.blocks is null; allowed: integer, 0 to 3"),
        ({"model.image_size": 3}, "here: model.image_size is 3; allowed: integer (16 to 1024) or null"),
        ({"train.lr": "fast"}, "here: train.lr is fast; allowed: number, above 0 to 10"),
        ({"train.lr": float("nan")}, "here: train.lr is nan; allowed: number, above 0 to 10"),
        ({"train.ema": 1}, "here: train.ema is 1; allowed: number (above 0 to below 1) or null"),
        ({"train.amp": False}, "here: train.amp is false; allowed: auto | off | bf16 | fp16"),
        ({"model.glca.heads": 7}, "here: model.glca.heads is 7; it must divide the width 96"),
        ({"model.heads": 5}, "here: model.heads is 5; it must divide the width 96"),
        ({"model.pwca.blocks": 5}, "here: model.pwca.blocks is 5; the backbone has 4 blocks"),
        ({"model.frozen_blocks": 5}, "here: model.frozen_blocks is 5; the backbone has 4 blocks"),
        ({"model.image_size": 60}, "here: model.image_size is 60; it must be a multiple of the patch, 8"),
        (
            {"model.pretrained": True, "model.weights": "a.pth"},
            "here: model.pretrained and model.weights are both set; choose one",
        ),
        (
            {"split.validation": 0.5, "split.test": 0.4},
            "here: split.validation + split.test leaves under a tenth of the families for training",
        ),
        (
            {"loss.identity.weight": 0, "loss.triplet.kind": "off", "loss.pair.bce_weight": 0},
            "here: loss: every part is off; switch on loss.identity, loss.triplet or loss.pair",
        ),
    ],
)
def test_a_wrong_value_is_one_line_with_what_is_right(values: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as caught:
        with_values(load_config("tiny"), values, "here")
    assert str(caught.value) == line


def test_heads_of_a_switched_off_glca_need_not_fit() -> None:
    assert with_values(load_config("tiny"), {"model.glca.heads": 7, "model.glca.blocks": 0}).model.glca.heads == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("- 1\n- 2", r"settings are expected.*not \[1, 2\]"),
        ("just words", "not just words"),
        ("model: 3", "model is a group of settings"),
        ("model: {glca: {}}", "model.glca is a group of settings"),
        ("train: {lr: 1e-3, lr: 1e-2}", "second time"),
        ("train: {epochz: 3}", "did you mean train.epochs"),
        ("train:\n  lr: [", "line 2"),
    ],
)
def test_a_bad_file_is_told_by_name(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=says) as caught:
        load_config(file)
    assert str(file) in str(caught.value)


def test_a_misspelt_preset_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"config tinny: neither a preset nor a file; did you mean tiny\?"):
        load_config("tinny")


def test_numbers_and_off_in_a_file_are_what_they_look_like(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("train: {lr: 1e-4, amp: off}\nloss: {triplet: {kind: off}}\n", encoding="utf-8")
    config = load_config(file)
    assert (config.train.lr, config.train.amp, config.loss.triplet.kind) == (1e-4, "off", "off")


def test_reading_a_configuration_imports_no_torch() -> None:
    code = (
        "import sys; from twinverify.config import load_config; load_config('default'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
