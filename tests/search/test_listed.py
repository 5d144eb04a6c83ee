from pathlib import Path

import pytest

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.disk import largest_checkpoints
from twinverify.search.space import Space, load_space, parse_space
from twinverify.search.study import SweepStudy

TINY = load_config("tiny")
LIST = """
configurations:
  - {model.glca.blocks: 0}
  - {model.pwca.blocks: 0, train.lr: 1e-3}
  - {model.glca.selection: random}
"""


def listed(text: str = LIST, fixed: tuple[str, ...] = ()) -> Space:
    return parse_space(text, Path("ablation.yaml"), TINY, fixed)


def test_a_list_is_gone_through_in_its_order_after_the_default():
    study = SweepStudy(listed(), "tpe", seed=7)
    drawn = [study.draw(number) for number in range(5)]
    assert drawn[1:] == [
        {"model.glca.blocks": 0},
        {"model.pwca.blocks": 0, "train.lr": 0.001},
        {"model.glca.selection": "random"},
        None,
    ]
    assert drawn[0] == {key: listed().base[key] for key in listed().keys}


def test_a_study_knows_again_what_a_journal_tells():
    study = SweepStudy(listed(), "tpe", seed=7)
    study.add(0, listed().default_values())
    study.add(1, {"model.glca.blocks": 0})
    study.report(1, 1, 0.4)
    study.end(1, "completed", 0.4)
    assert study.trials[1].params == {"model.glca.blocks": 0, **_base_without("model.glca.blocks")}


def _base_without(key: str) -> dict[str, object]:
    # Optuna is told the base's value of what a row leaves out, where it is one of the choices.
    space = listed()
    told, _ = space.parameters({key: 0})
    return {name: value for name, value in told.items() if name != key}


def test_no_row_decides_who_is_sealed(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("configurations: [{model.glca.blocks: 0}, {split.seed: 3}]")
    with pytest.raises(UserError, match=r"split\.seed cannot be drawn: .* on the command line instead") as told:
        load_space(tmp_path / "mine.yaml", TINY)
    assert "\n" not in str(told.value)
    (tmp_path / "mine.yaml").write_text("configurations: [{split.reshuffle: 3}]")
    assert load_space(tmp_path / "mine.yaml", TINY).keys == ("split.reshuffle",)


def test_its_text_gives_the_same_space_again():
    again = parse_space(listed().text, Path("ablation.yaml"), TINY)
    assert (again.rows, again.digest) == (listed().rows, listed().digest)


def test_what_is_fixed_leaves_the_rows():
    space = listed(fixed=("model.glca.blocks", "train.lr"))
    assert space.rows == ({"model.pwca.blocks": 0}, {"model.glca.selection": "random"})
    assert parse_space(space.text, Path("ablation.yaml"), TINY).rows == space.rows


def test_the_order_of_the_rows_makes_another_space():
    turned = parse_space("configurations: [{train.lr: 0.1}, {train.lr: 0.2}]", Path("a.yaml"), TINY)
    other = parse_space("configurations: [{train.lr: 0.2}, {train.lr: 0.1}]", Path("a.yaml"), TINY)
    assert turned.digest != other.digest


def test_the_largest_checkpoint_is_that_of_the_largest_row():
    wide = listed("configurations: [{model.glca.blocks: 0}, {model.glca.blocks: 3}]")
    plain = listed("configurations: [{model.glca.blocks: 0}, {model.glca.blocks: 2}]")
    assert largest_checkpoints(wide, TINY, 20) > largest_checkpoints(plain, TINY, 20)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("configurations: 3", "configurations wants a list of settings"),
        ("configurations: []", "configurations wants a list of settings"),
        ("configurations: [{}]", "configurations wants a list of settings"),
        ("configurations: [{model.glca.headz: 3}]", "configuration 1: model.glca.headz is not a setting"),
        ("configurations: [{train.lr: 0.1}, {train.lr: 100}]", "configuration 2: train.lr is 100; allowed"),
        ("configurations: [{model.glca.heads: 5}]", "configuration 1: model.glca.heads is 5; it must divide"),
        ("configurations: [{train.optimizer: adamx}]", "configuration 1: train.optimizer is adamx"),
    ],
)
def test_a_mistake_is_named_with_its_row(text: str, told: str):
    with pytest.raises(UserError, match=told):
        listed(text)


def test_a_list_stands_alone(tmp_path: Path):
    path = tmp_path / "mixed.yaml"
    path.write_text(LIST + "train.lr: {float: [0.1, 1.0]}\n")
    with pytest.raises(UserError, match="it stands alone"):
        load_space(path, TINY)


def test_a_list_is_not_included(tmp_path: Path):
    (tmp_path / "ablation.yaml").write_text(LIST)
    (tmp_path / "more.yaml").write_text("include: [ablation]\ntrain.clip: {float: [0.1, 1.0]}\n")
    with pytest.raises(UserError, match="not included"):
        load_space(tmp_path / "more.yaml", TINY)
