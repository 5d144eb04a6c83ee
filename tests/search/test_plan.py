"""What a sweep is going to do: worked out from the command line or from its folder, before anything is written."""

from pathlib import Path
from typing import Any

import pytest
from planning import FEW, Planned, everything_below, faces

from twinverify.config import dump_config, load_config, with_values
from twinverify.errors import UserError

# ---- a new sweep


def test_a_new_plan_takes_its_name_from_the_space_and_its_folder_from_the_name(
    planned: Planned, tmp_path: Path
) -> None:
    plan = planned(space="glca_heads")
    assert (plan.name, plan.space.name, plan.goes_on) == ("glca_heads", "glca_heads", False)
    assert plan.folder == tmp_path / "runs" / "glca_heads"
    assert plan.cache == tmp_path / "runs" / ".cache"
    assert planned(space="glca_heads", name="other").folder == tmp_path / "runs" / "other"


def test_each_new_plan_is_a_sweep_of_its_own(planned: Planned) -> None:
    assert planned(space="glca_heads").sweep_id != planned(space="glca_heads").sweep_id


def test_making_a_plan_writes_nothing(planned: Planned, started: Planned, tmp_path: Path) -> None:
    planned(space="glca_heads")
    planned({}, space="pwca", data=faces(tmp_path / "faces").as_posix())
    assert not (tmp_path / "runs").exists()
    started(space="glca_heads")
    before = everything_below(tmp_path)
    planned(space="glca_heads")
    planned({}, resume="glca_heads", trials=99)
    for wrong in ({"space": "glca_heads", "seed": 3}, {"resume": "nothing"}, {"space": "nothing"}):
        with pytest.raises(UserError):
            planned(**wrong)
    assert everything_below(tmp_path) == before


def test_options_epochs_and_seed_are_those_of_the_configuration(planned: Planned) -> None:
    plan = planned(FEW | {"model.width": 48}, space="glca_heads", epochs=4, seed=9)
    assert (plan.config.train.epochs, plan.config.seed, plan.config.model.width) == (4, 9, 48)


@pytest.mark.parametrize(("key", "option"), [("train.epochs", "epochs"), ("seed", "seed")])
def test_the_same_setting_under_two_names_is_refused(planned: Planned, key: str, option: str) -> None:
    with pytest.raises(UserError, match=f"{option} and {key} are both given"):
        planned(FEW | {key: 3}, space="glca_heads", **{option: 4})


def test_a_fixed_setting_is_not_searched(planned: Planned) -> None:
    plan = planned(FEW | {"model.glca.local_ratio": 0.3}, space="glca_heads")
    assert "model.glca.local_ratio" not in plan.space.keys
    assert plan.space.default_values().keys() < planned(space="glca_heads").space.default_values().keys()


@pytest.mark.parametrize(
    ("options", "overrides", "told"),
    [
        ({}, {}, "space=NAME is missing; known: augment, backbone, full, glca_heads, .*regularise"),
        ({"space": "glca_hedas"}, {}, "space glca_hedas: .*did you mean glca_heads"),
        ({"space": "glca_heads"}, {"train.lr": 11.0}, "train.lr is 11"),
        ({"space": "glca_heads"}, {"train.ephocs": 3}, "train.ephocs is not a setting.*did you mean train.epochs"),
        ({"space": "glca_heads", "config": "tiney"}, {}, "config tiney: .*did you mean tiny"),
        ({"space": "glca_heads", "data": "synthetc"}, {}, "data synthetc: .*did you mean synthetic"),
        ({"space": "glca_heads", "data": "/nowhere/faces"}, {}, "/nowhere/faces"),
        (
            {"space": "glca_heads", "objective": "val/twin_err"},
            {},
            "objective=val/twin_err: .*did you mean val/twin_eer",
        ),
        (
            {"space": "glca_heads", "objective": "train/loss"},
            {},
            "objective=train/loss: not a metric of the validation",
        ),
        ({"space": "glca_heads", "gpus_per_trial": 0.5}, {}, "this machine has no GPU"),
        ({"space": "glca_heads", "tracking": "of"}, {}, "tracking=of: neither a known word"),
        (
            {"resume": "glca_heads"},
            {},
            "resume=glca_heads: no such sweep in .*; there are none yet; start one with space=",
        ),
    ],
)
def test_what_is_wrong_is_named(
    planned: Planned, options: dict[str, Any], overrides: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        planned(FEW | overrides, **options)


def test_a_space_whose_name_is_no_plain_name_needs_name(planned: Planned, tmp_path: Path) -> None:
    path = tmp_path / "my space.yaml"
    path.write_text("train.lr: {float: [1e-4, 1e-3], log: true}\n")
    with pytest.raises(UserError, match="set name="):
        planned(space=str(path))
    assert planned(space=str(path), name="mine").name == "mine"


# ---- paths


def test_relative_paths_become_absolute(planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faces(tmp_path / "faces")
    (tmp_path / "pairs.csv").write_text("a,b\np00,p01\np02,p03\np04,p05\np06,p07\np08,p09\np10,p11\np12,p13\n")
    (tmp_path / "weights.safetensors").touch()
    monkeypatch.chdir(tmp_path)
    paths = {"data": "faces", "pairs": "pairs.csv", "output": "sweeps", "cache": "decoded", "tracking": "./store"}
    options = planned({"model.weights": "weights.safetensors"}, space="glca_heads", **paths)
    assert options.options.data == str(tmp_path / "faces")
    assert options.options.pairs == tmp_path / "pairs.csv"
    assert options.options.tracking == (tmp_path / "store").as_uri()
    assert options.folder == tmp_path / "sweeps" / "glca_heads"
    assert options.cache == tmp_path / "decoded"
    assert options.config.model.weights == tmp_path / "weights.safetensors"


def test_weights_that_a_configuration_file_names_become_absolute_too(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = with_values(load_config("tiny"), FEW | {"model.weights": "weights.pth"})
    Path("mine.yaml").write_text(dump_config(config))
    with pytest.raises(UserError, match=r"model\.weights=weights\.pth: there is no such file"):
        planned({}, space="glca_heads", config="mine.yaml")
    Path("weights.pth").touch()
    assert planned({}, space="glca_heads", config="mine.yaml").config.model.weights == tmp_path / "weights.pth"


@pytest.mark.parametrize(
    ("written", "kept"), [(None, None), ("off", "off"), ("http://127.0.0.1:1", "http://127.0.0.1:1")]
)
def test_a_tracking_address_that_is_no_path_stays_as_written(
    planned: Planned, written: str | None, kept: str | None
) -> None:
    assert planned(space="glca_heads", tracking=written).options.tracking == kept


def test_a_sweep_is_resumed_from_another_directory(
    started: Planned, planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces(tmp_path / "faces")
    monkeypatch.chdir(tmp_path)
    first = started({}, space="glca_heads", data="faces", tracking="./store")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = planned({}, resume="glca_heads")
    assert (again.options.data, again.options.tracking) == (first.options.data, first.options.tracking)
    assert again.cache == first.cache


# ---- the objective


def test_without_twins_the_objective_falls_back_and_says_so(planned: Planned, tmp_path: Path) -> None:
    plan = planned({}, space="glca_heads", data=str(faces(tmp_path / "faces")))
    assert plan.objective == "val/general_eer"
    assert plan.notes == ("no twins in the validation families: the objective is val/general_eer",)
    asked = planned({}, space="glca_heads", data=str(tmp_path / "faces"), objective="val/general_auc")
    assert (asked.objective, asked.notes) == ("val/general_auc", ())


def test_with_twins_the_objective_is_theirs(planned: Planned) -> None:
    plan = planned(space="glca_heads")
    assert (plan.objective, plan.notes) == ("val/twin_eer", ())


def test_a_twin_objective_without_twins_is_refused(planned: Planned, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no twins in the validation families; try val/general_eer"):
        planned({}, space="glca_heads", data=str(faces(tmp_path / "faces")), objective="val/twin_eer")
