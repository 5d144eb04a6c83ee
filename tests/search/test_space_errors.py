"""Mistakes in a search space: one line each, with what would be right, before anything heavy is imported."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from twinverify.config import load_config, with_values
from twinverify.errors import UserError
from twinverify.search.space import load_space


def mistake(folder: Path, text: str, fixed: tuple[str, ...] = (), preset: str = "tiny", **values: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    base = with_values(load_config(preset), {key.replace("__", "."): value for key, value in values.items()})
    with pytest.raises(UserError) as caught:
        load_space(path, base, fixed)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300
    return line


GLCA = "model.glca.blocks: {int: [0, 3]}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model.glca.headz: {int: [1, 2]}", "model.glca.headz is not a setting; did you mean model.glca.heads?"),
        ("model.glca.heads: {chioce: [1, 2]}", "chioce is not a word of a space; did you mean choice?"),
        ("model.glca.heads: {choice: [1], if: 1}", "if is not a word of a space"),
        ("model.glca.heads: {choice: [1], must_divide: model.width}", "did you mean divides?"),
        ("model.glca.heads: {}", "model.glca.heads needs one distribution, such as {choice: [a, b]} or {int: [0, 3]}"),
        ("model.glca.heads: {int: [1, 2], choice: [1]}", "model.glca.heads needs one distribution"),
        ("model.glca.heads: 3", "model.glca.heads is 3; write such as {choice: [a, b]}"),
        ("model.glca.heads: [3]", "model.glca.heads is [3]; write such as {choice: [a, b]}"),
        ("model.glca.heads: []", "model.glca.heads is []; write such as {choice: [a, b]}"),
        ("model.glca.blocks: {int: [3, 0]}", "the range [3, 0] is upside down; write [0, 3]"),
        ("model.glca.blocks: {int: [0, 9]}", "model.glca.blocks is 9; allowed: integer, 0 to 3"),
        ("model.glca.blocks: {int: 3}", "int wants [lowest, highest], not 3"),
        ("model.glca.blocks: {int: [0, 1, 2]}", "int wants [lowest, highest], not [0, 1, 2]"),
        ("model.glca.blocks: {int: [0, 1.5]}", "int wants two whole numbers, not [0, 1.5]"),
        ("model.glca.blocks: {int: [false, true]}", "int wants two whole numbers, not [false, true]"),
        ("model.glca.blocks: {float: [0, 1]}", "model.glca.blocks is a whole number; write {int: [0, 1]}"),
        ("model.glca.blocks: {choice: [0, 7]}", "model.glca.blocks is 7; allowed: integer, 0 to 3"),
        ("model.glca.blocks: {choice: [0, true]}", "model.glca.blocks is true; allowed: integer, 0 to 3"),
        ("model.glca.blocks: {choice: [1, 1]}", "a choice stands twice in [1, 1]"),
        ("model.glca.blocks: {choice: [1], log: true}", "log is for int and float, not for a choice"),
        ("model.glca.blocks: {choice: []}", "choice wants a list, such as [a, b]; not []"),
        ("model.glca.selection: {int: [0, 1]}", "model.glca.selection is no number; allowed: rollout | last_layer"),
        ("model.glca.selection: {choice: [rolout]}", "model.glca.selection is rolout; allowed: rollout | last_layer"),
        ("train.weight_decay: {float: [0, 0.1], log: true}", "a logarithmic range starts above 0, not at 0"),
        ("train.lr: {float: [1e-5, 1e-2], log: maybe}", "log is maybe; allowed: true or false"),
        ("train.lr: {float: [1e-5, fast]}", "float wants two numbers, not [1e-05, fast]"),
        ("train.lr: {float: [1e-5, .nan]}", "train.lr is nan; allowed: number, above 0 to 10"),
        ("train.lr: {float: [0, 1]}", "train.lr is 0; allowed: number, above 0 to 10"),
        ("train.lr: {float: [1e-5, 1], when: {train.epoch: '>3'}}", "did you mean train.epochs?"),
        ("train.lr: {float: [1e-5, 1], when: cosine}", "when is cosine; write it as {model.glca.blocks:"),
        ("train.lr: {float: [1e-5, 1], when: {}}", "write it as"),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: '>'}}", "'>' compares with nothing"),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: '>many'}}", "> wants a number or a setting, not many"),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: '=>3'}}", "train.epochs is =>3; allowed: integer, 1 to"),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: 'in 3'}}", "write `in [a, b]`, or `== a`; not in 3"),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: null}}", "train.epochs is null; allowed: integer, 1 to"),
        ("train.lr: {float: [1e-5, 1], when: {train.schedule: '>3'}}", "> cannot order it; allowed: cosine | constant"),
        ("train.lr: {float: [1e-5, 1], when: {train.schedule: cosin}}", "train.schedule is cosin; allowed: cosine"),
        ("model.glca.heads: {choice: [1, 5], divides: model.widht}", "did you mean model.width?"),
        ("model.glca.heads: {choice: [1, 5], divides: train.lr}", "divides wants another whole number"),
        ("model.glca.heads: {int: [1, 5], divides: model.width}", "divides is for a choice"),
        ("model.glca.heads: {choice: [1], quotient: [1, 2]}", "quotient goes with divides and is [least, largest]"),
        ("model.glca.heads: {choice: [1], divides: model.width, quotient: [9, 2]}", "quotient goes with divides"),
        (
            "model.glca.heads: {choice: [5, 7], divides: model.width}",
            "nothing of 5 | 7, divides model.width fits; model",
        ),
        ("train.amp: {choice: [off, bf16], at_most: model.depth}", "at_most wants numbers above 0"),
        (
            "model.glca.heads: {choice: [3, 5]}",
            "it can draw model.glca.heads=5, which cannot be: model.glca.heads is 5",
        ),
        (
            GLCA + "model.width: {choice: [96, 100]}\nmodel.glca.heads: {choice: [1, 5]}",
            "it can draw model.width=100, which cannot be: model.heads is 3; it must divide the width 100",
        ),
        (
            "train.lr: {float: [1e-5, 1], when: {train.warmup: '>0'}}\n"
            "train.warmup: {float: [0, 0.5], when: {train.lr: '>1e-3'}}",
            "conditions in a circle: train.lr -> train.warmup -> train.lr",
        ),
        ("train.lr: {float: [1e-5, 1], when: {train.epochs: '>9999'}}", "none of its conditions holds"),
        ("{}", "it has no settings"),
        ("", "the file is empty"),
        ("- 1", "not [1]"),
        ("train.lr: {float: [1e-5, 1]}\ntrain.lr: {float: [1e-5, 1]}", "line 2: not valid YAML (train.lr stands here"),
        ("train.lr: {float: [1e-5, 1]\ntrain.clip: 3", "line 2: not valid YAML"),
        ("include: [glca_hedas]", "there is no space glca_hedas; did you mean glca_heads?"),
        ("include: [../mine]", "there is no space ../mine"),
        ("include: 3", "include is 3; write a list of spaces"),
        ("include: [mine]", "it includes itself: mine -> mine"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, says: str, tmp_path: Path) -> None:
    line = mistake(tmp_path, text)
    assert "mine" in line
    assert says in line


def test_a_fixed_setting_is_still_checked(tmp_path: Path) -> None:
    line = mistake(tmp_path, "train.lr: {flaot: [1e-5, 1]}\ntrain.warmup: {float: [0, 1e-1]}", fixed=("train.lr",))
    assert "did you mean float?" in line


def test_a_space_whose_settings_are_all_fixed_is_refused(tmp_path: Path) -> None:
    line = mistake(tmp_path, "train.lr: {float: [1e-5, 1]}", fixed=("train.lr",))
    assert line == "space mine: all its settings are fixed already: train.lr; leave one free"


def test_a_combination_with_a_fixed_value_that_cannot_be_is_named(tmp_path: Path) -> None:
    line = mistake(tmp_path, "model.depth: {choice: [2, 4]}\ntrain.lr: {float: [1e-5, 1]}", model__pwca__blocks=3)
    assert line == (
        "space mine: it can draw model.depth=2, which cannot be: model.pwca.blocks is 3; the backbone has 2 blocks"
    )


def test_included_spaces_that_differ_in_a_setting_are_refused_unless_it_is_settled(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("train.lr: {float: [1e-5, 1]}\n", encoding="utf-8")
    (tmp_path / "two.yaml").write_text("train.lr: {float: [1e-4, 1]}\n", encoding="utf-8")
    line = mistake(tmp_path, "include: [one, two]")
    assert line == "space mine: one and two differ in train.lr; settle it by a line of its own"
    settled = tmp_path / "mine.yaml"
    settled.write_text("include: [one, two]\ntrain.lr: {float: [1e-3, 1]}", encoding="utf-8")
    assert load_space(settled, load_config("tiny")).written == {"train.lr": {"float": [1e-3, 1]}}


def test_spaces_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("include: [mine]\n", encoding="utf-8")
    assert "includes itself: mine -> other -> mine" in mistake(tmp_path, "include: [other]")


def test_an_unknown_space_gets_the_nearest_name() -> None:
    with pytest.raises(UserError, match=r"space glca_hedas: neither a space in .* did you mean glca_heads\?"):
        load_space("glca_hedas", load_config("tiny"))


def test_a_mistake_is_found_in_time_and_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model.glca.heads: {choice: [3, 5]}", encoding="utf-8")
    code = (
        "import sys; from twinverify.config import load_config; from twinverify.search.space import load_space\n"
        f"try: load_space({str(path)!r}, load_config('tiny'))\n"
        "except Exception as error: print(type(error).__name__, {'torch', 'optuna', 'timm'} & set(sys.modules))"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "UserError set()"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("split.seed: {int: [0, 9]}", "split.seed=0"),
        ("split.test: {float: [0.1, 0.2]}", "split.test=0.15"),
        ("split.validation: {choice: [0.1, 0.2]}", "split.validation=0.15"),
        ("synthetic.difference: {float: [0.1, 1]}", "synthetic.difference=0.5"),
        ("synthetic.seed: {int: [0, 9]}", "synthetic.seed=0"),
    ],
)
def test_what_decides_who_is_sealed_is_not_drawn(tmp_path: Path, line: str, fixed: str):
    told = mistake(tmp_path, GLCA + line)
    key = line.partition(":")[0]
    assert f"{key} cannot be drawn: it decides who is trained with, judged and sealed" in told
    assert f"on the command line instead, such as {fixed}" in told
    assert load_space(tmp_path / "mine.yaml", load_config("tiny"), fixed={key}).keys == ("model.glca.blocks",)


def test_the_deal_of_those_who_are_not_sealed_may_be_drawn(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text("split.reshuffle: {int: [0, 9]}")
    assert load_space(path, load_config("tiny")).keys == ("split.reshuffle",)
