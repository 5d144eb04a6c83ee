"""The command line: `key=value`, typed by the fields, with help and one clear line for every mistake."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from twinverify.arguments import parse
from twinverify.config import leaves
from twinverify.errors import UserError
from twinverify.settings import Config, Settings


class Options(Settings):
    """Keys of an imagined command."""

    space: str | None = Field(None, description="what to search")
    tracking: str = Field("file", description="where results go")
    trials: int = Field(12, ge=1, le=1000, description="how many")
    share: Literal["auto"] | float = Field("auto", description="GPU share")
    slots: Literal["auto"] | int | None = Field(None, description="how many at once")
    output: Path = Field(Path("tune_runs"), description="folder of the sweeps")
    seed: int = Field(0, ge=0, description="seed of the sweep, not the configuration's")
    board: bool = Field(False, description="TensorBoard files")
    names: list[str] = Field([], description="several names")


class Needy(Settings):
    """A key without a default."""

    model: str = Field(description="folder of a model")


def read(
    *argv: str, options: type[Settings] = Options, configurable: bool = True, words: str | None = None
) -> tuple[Any, dict[str, Any]]:
    return parse(
        "tune",
        options,
        argv,
        summary="Search.",
        examples=["space=x", "python -m twinverify.tune space=y"],
        configurable=configurable,
        words=words,
    )


def mistake(*argv: str, **others: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(*argv, **others)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("tracking=off", "off"),
        ("tracking=no", "no"),
        ("tracking=true", "true"),
        ("tracking=2026", "2026"),
        ("tracking=1e-3", "1e-3"),
        ("tracking=null", "null"),  # the field has no null
        ("tracking=http://localhost:5000", "http://localhost:5000"),
        ("tracking=/data/a #2: [x", "/data/a #2: [x"),
        ("tracking=a=b", "a=b"),
        ("tracking='quoted: yes'", "quoted: yes"),
        ("space=null", None),
        ("space='null'", "null"),
        ("space=48h", "48h"),
        ("trials=30", 30),
        ("share=0.25", 0.25),
        ("share=1", 1.0),
        ("share=auto", "auto"),
        ("slots=auto", "auto"),
        ("slots=4", 4),
        ("slots=null", None),
        ("output=/tmp/1", Path("/tmp/1")),
        ("output=3", Path("3")),
        ("board=true", True),
        ("names=[a, 'off']", ["a", "off"]),
    ],
)
def test_a_value_gets_the_type_of_its_field(argument: str, value: Any) -> None:
    options, overrides = read(argument)
    assert (getattr(options, argument.partition("=")[0]), overrides) == (value, {})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("train.lr=1e-3", 0.001),
        ("train.clip=null", None),
        ("train.amp=off", "off"),
        ("model.pretrained=true", True),
        ("model.weights=/data/w.pth", "/data/w.pth"),
        ("model.weights=null", None),
        ("model.glca.blocks=2", 2),
        ("loss.triplet.kind=off", "off"),
    ],
)
def test_a_dotted_key_is_an_override_of_the_configuration(argument: str, value: Any) -> None:
    _, overrides = read(argument)
    assert overrides == {argument.partition("=")[0]: value}


def test_a_commands_own_key_wins_over_the_configurations() -> None:
    options, overrides = read("seed=7")
    assert (options.seed, overrides) == (7, {})


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\"\x00"), min_size=1).filter(lambda t: t.strip()))
def test_text_stays_as_it_was_given(text: str) -> None:
    options, _ = read(f"tracking={text}")
    assert options.tracking == text


@given(st.floats(1e-12, 10))
def test_numbers_read_back_exactly(number: float) -> None:
    assert read(f"train.lr={number!r}")[1] == {"train.lr": number}


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["traisl=3"], "command line: traisl is not a setting of tune; did you mean trials?"),
        (["trails=3"], "command line: trails is not a setting of tune; did you mean trials?"),
        (["local_ratio=1"], "command line: local_ratio is not a setting of tune; did you mean model.glca.local_ratio?"),
        (["model=3"], "command line: model is a group of settings; set those in it, such as model.backbone=…"),
        (["trials"], "command line: 'trials': settings are written trials=…"),
        (["--trials=3"], "command line: '--trials=3': settings are written trials=3"),
        (["--trials", "3"], "command line: '--trials': settings are written trials=…"),
        (["--trails", "3"], "command line: '--trails': settings are written key=value; did you mean trials?"),
        (["trials="], "command line: trials has no value; allowed: integer, 1 to 1000"),
        (["space= "], "command line: space has no value; allowed: text or null; for none, write space=null"),
        (["trials=3", "seed=1", "trials=3"], "command line: trials is given twice"),
        (["trials=0"], "command line: trials is 0; allowed: integer, 1 to 1000"),
        (["trials=many"], "command line: trials is many; allowed: integer, 1 to 1000"),
        (["trials=true"], "command line: trials is true; allowed: integer, 1 to 1000"),
        (["share=all"], "command line: share is all; allowed: auto or number"),
        (["board=maybe"], "command line: board is maybe; allowed: true or false"),
        (["train.lr=0"], "command line: train.lr is 0; allowed: number, above 0 to 10"),
        (["train.amp=of"], "command line: train.amp is of; allowed: auto | off | bf16 | fp16"),
        (["model.glca.blocks=[1, 2]"], "command line: model.glca.blocks is [1, 2]; allowed: integer, 0 to 3"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_is_right(argv: list[str], line: str) -> None:
    assert mistake(*argv) == line


def test_a_value_that_is_not_yaml_is_shown() -> None:
    assert mistake("trials=[1").startswith("command line: trials=[1: not valid YAML")


def test_a_needed_key_that_is_missing_says_what_it_is() -> None:
    assert mistake(options=Needy) == "command line: model is needed: folder of a model"


def test_a_command_without_configuration_refuses_its_keys() -> None:
    assert "train.lr is not a setting of tune" in mistake("train.lr=1", configurable=False)


@pytest.mark.parametrize(
    ("argv", "names", "trials"),
    [
        ([], [], 12),
        (["one"], ["one"], 12),
        (["one", "trials=3", "two"], ["one", "two"], 3),
        (["trials=3", "/data/a b.jpg", "2026", "off"], ["/data/a b.jpg", "2026", "off"], 3),
        (["same", "same"], ["same", "same"], 12),
        (["names=[trials, a=b]"], ["trials", "a=b"], 12),
    ],
)
def test_words_go_to_their_list_wherever_they_stand(argv: list[str], names: list[str], trials: int) -> None:
    options, overrides = read(*argv, words="names")
    assert (options.names, options.trials, overrides) == (names, trials, {})


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["one", "trials"], "command line: 'trials': settings are written trials=…"),
        (["one", "--trials", "3"], "command line: '--trials': settings are written trials=…"),
        (["one", "trails=3"], "command line: trails is not a setting of tune; did you mean trials?"),
        (["one", "names=[two]"], "command line: names is given twice"),
        (["one", ""], "command line: an empty word is given"),
    ],
)
def test_beside_words_a_setting_is_still_told_by_its_form(argv: list[str], line: str) -> None:
    assert mistake(*argv, words="names") == line


def test_a_command_without_words_refuses_one() -> None:
    assert mistake("glca_heads").startswith("command line: 'glca_heads': settings are written key=value")


@pytest.mark.parametrize(("words", "usage"), [("names", "tune NAME … key=value …"), (None, "tune key=value …")])
def test_help_shows_where_words_stand(
    words: str | None, usage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        read("--help", words=words)
    assert f"Usage: python -m twinverify.{usage}" in capsys.readouterr().out


@pytest.mark.parametrize("asked", [["--help"], ["-h"], ["nonsense", "--help"]])
@pytest.mark.parametrize("width", [80, 120])
def test_help_tells_every_key_with_its_range(
    asked: list[str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    with pytest.raises(SystemExit) as ended:
        read(*asked)
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    for key in leaves(Options) | leaves(Config):
        assert any(line.startswith(f"  {key} ") for line in lines), key
    assert "integer, 0 to 3" in shown
    for example in ("space=x", "space=y"):
        assert f"  python -m twinverify.tune {example}" in lines
    assert sum(line.startswith("  seed ") for line in lines) == 1  # the configuration's is hidden by the command's


def test_help_of_a_command_without_configuration_leaves_it_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--help", configurable=False)
    assert "model.glca" not in capsys.readouterr().out


def test_reading_a_command_line_imports_neither_torch_nor_rich() -> None:
    code = (
        "import sys; from twinverify.arguments import parse; from twinverify.settings import Settings\n"
        "parse('x', Settings, ['train.lr=1e-3'], summary='', examples=[])\n"
        "print({'torch', 'rich', 'optuna'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
