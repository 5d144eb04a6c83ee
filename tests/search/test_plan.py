"""What a sweep is going to do: worked out from the command line or from its folder, before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from twinverify import config as config_module
from twinverify.config import dump_config, flatten, load_config, with_values
from twinverify.errors import UserError
from twinverify.search import resources
from twinverify.search.files import write_plan
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, data_digest, make_plan

#: Few synthetic people: a plan draws none of them, but lists them.
FEW: dict[str, Any] = {"synthetic.families": 12, "synthetic.images": 3}


@pytest.fixture(autouse=True)
def _a_machine_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (resources, config_module):
        monkeypatch.setattr(module, "count_gpus", lambda: 0)


Planned = Callable[..., SweepPlan]


@pytest.fixture
def planned(tmp_path: Path) -> Planned:
    """Make a plan as the command line would; `overrides` are dotted keys."""

    def make(overrides: dict[str, Any] = FEW, **options: Any) -> SweepPlan:
        return make_plan(TuneOptions.model_validate({"output": tmp_path / "runs", **options}), overrides)

    return make


@pytest.fixture
def started(planned: Planned) -> Planned:
    """Make a plan and write it, as a sweep that was started does."""

    def make(overrides: dict[str, Any] = FEW, **options: Any) -> SweepPlan:
        plan = planned(overrides, **options)
        write_plan(plan)
        return plan

    return make


def faces(folder: Path, people: int = 14, images: int = 2) -> Path:
    """Draw a folder of faces, one folder a person."""
    noise = np.random.default_rng(0)
    for person in range(people):
        (folder / f"p{person:02d}").mkdir(parents=True)
        for image in range(images):
            pixels = noise.integers(0, 255, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{person:02d}" / f"{image}.png")
    return folder


def everything_below(folder: Path) -> dict[str, tuple[int, int]]:
    found = sorted(folder.rglob("*"))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


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


# ---- going on


def test_the_same_command_again_continues_the_sweep(started: Planned, planned: Planned) -> None:
    command: dict[str, Any] = {"space": "glca_heads", "epochs": 4, "seed": 2, "sampler": "random", "budget": "2h"}
    first, again = started(**command), planned(**command)
    assert again.goes_on
    assert (again.sweep_id, again.folder, again.stored().identity()) == (
        first.sweep_id,
        first.folder,
        first.stored().identity(),
    )
    assert again.to_yaml() == first.to_yaml()


@pytest.mark.parametrize("space", ["glca_heads", "full"])
def test_a_resumed_plan_is_the_one_that_was_started(started: Planned, planned: Planned, space: str) -> None:
    first = started(FEW | {"model.glca.blocks": 1}, space=space, epochs=4, seed=2, objective="val/twin_auc")
    again = planned({}, resume=space)
    assert (again.name, again.sweep_id, again.folder) == (first.name, first.sweep_id, first.folder)
    assert (again.config, again.objective, again.stored().identity()) == (
        first.config,
        first.objective,
        first.stored().identity(),
    )
    assert again.space.name == first.space.name == space
    assert (again.space.keys, again.space.digest) == (first.space.keys, first.space.digest)
    assert again.space.describe() == first.space.describe()
    assert again.goes_on
    assert again.to_yaml() == first.to_yaml()


def test_a_resumed_plan_keeps_the_name_of_a_space_from_a_file(
    started: Planned, planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rates.yaml").write_text("train.lr: {float: [1e-4, 1e-3], log: true}\n")
    started(space="rates.yaml", name="mine")
    Path("rates.yaml").unlink()  # the sweep's folder has its own copy
    again = planned({}, resume="mine")
    assert (again.name, again.space.name, again.space.keys) == ("mine", "rates", ("train.lr",))


@pytest.mark.parametrize("again", [{"space": "glca_heads"}, {"resume": "glca_heads"}], ids=["same command", "resume"])
@pytest.mark.parametrize(
    "changed",
    [
        {"trials": 40},
        {"trials": 3},
        {"budget": "5h"},
        {"cpus": 8, "concurrency": 2},
        {"gpus": 1, "gpus_per_trial": 0.5},
        {"tracking": "off"},
    ],
    ids=str,
)
def test_what_may_change_is_taken_over(
    started: Planned, planned: Planned, again: dict[str, Any], changed: dict[str, Any]
) -> None:
    first = started(space="glca_heads", trials=20)
    plan = planned(FEW if "space" in again else {}, **again, **changed)
    wanted = TuneOptions.model_validate(changed)
    assert {key: getattr(plan.options, key) for key in changed} == {key: getattr(wanted, key) for key in changed}
    assert plan.sweep_id == first.sweep_id
    assert plan.options.trials == changed.get("trials", 20)


@pytest.mark.parametrize("again", [{"space": "glca_heads"}, {"resume": "glca_heads"}], ids=["same command", "resume"])
@pytest.mark.parametrize(
    ("options", "overrides", "told"),
    [
        ({"seed": 0}, {}, ["seed was 7, now 0"]),
        ({"epochs": 5}, {}, ["train.epochs was 4, now 5"]),
        ({"sampler": "random"}, {}, ["sampler was 'tpe', now 'random'"]),
        ({"objective": "val/twin_auc"}, {}, ["objective was 'val/twin_eer', now 'val/twin_auc'"]),
        (
            {"scheduler": "none", "reduction_factor": 4},
            {},
            ["scheduler was 'asha', now 'none'", "reduction_factor was 3, now 4"],
        ),
        ({}, {"train.lr": 0.002, "model.width": 48}, ["train.lr was 0.001, now 0.002", "model.width was 96, now 48"]),
    ],
    ids=str,
)
def test_what_may_not_change_is_named_old_and_new(
    started: Planned,
    planned: Planned,
    again: dict[str, Any],
    options: dict[str, Any],
    overrides: dict[str, Any],
    told: list[str],
) -> None:
    settings = {"epochs": 4, "seed": 7}
    started(space="glca_heads", **settings)
    given = (settings if "space" in again else {}) | options
    with pytest.raises(UserError) as refused:
        planned((FEW if "space" in again else {}) | overrides, **again, **given)
    assert [line for line in told if line not in str(refused.value)] == []


def test_another_space_under_the_same_name_is_named(started: Planned, planned: Planned) -> None:
    started(space="glca_heads", name="mine")
    with pytest.raises(UserError, match=r"space was glca_heads \(\w+\), now pwca \(\w+\)"):
        planned(space="pwca", name="mine")
    with pytest.raises(UserError, match=r"resume=mine: .*space was glca_heads, now pwca"):
        planned({}, resume="mine", space="pwca")
    with pytest.raises(UserError, match=r"resume=mine: .*config was None, now small"):
        planned({}, resume="mine", config="small")
    with pytest.raises(UserError, match=r"resume=mine: .*name was mine, now yours"):
        planned({}, resume="mine", name="yours")
    assert planned({}, resume="mine", space="glca_heads", name="mine").goes_on


def test_a_changed_space_file_is_named(started: Planned, planned: Planned, tmp_path: Path) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text("train.lr: {float: [1e-4, 1e-3], log: true}\n")
    started(space=str(path))
    path.write_text("train.lr: {float: [1e-4, 1e-2], log: true}\n")
    with pytest.raises(UserError, match=r"space was .*rates.yaml"):
        planned(space=str(path))


def test_a_data_folder_that_changed_is_named(started: Planned, planned: Planned, tmp_path: Path) -> None:
    folder = faces(tmp_path / "faces")
    started({}, space="glca_heads", data=str(folder))
    assert planned({}, resume="glca_heads").goes_on
    (folder / "p03" / "0.png").rename(folder / "p03" / "9.png")
    for again in ({"resume": "glca_heads"}, {"space": "glca_heads", "data": str(folder)}):
        with pytest.raises(UserError, match=r"data was .*/faces \(\w+\), now .*/faces \(\w+\)"):
            planned({}, **again)


def test_an_image_replaced_under_its_name_is_other_data(started: Planned, planned: Planned, tmp_path: Path) -> None:
    folder = faces(tmp_path / "faces")
    started({}, space="glca_heads", data=str(folder))
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(folder / "p03" / "0.png")
    with pytest.raises(UserError, match=r"data was .*/faces \(\w+\), now .*/faces \(\w+\)"):
        planned({}, resume="glca_heads")


def test_a_data_folder_that_moved_is_the_same_data(started: Planned, planned: Planned, tmp_path: Path) -> None:
    first = started({}, space="glca_heads", data=str(faces(tmp_path / "faces")))
    (tmp_path / "faces").rename(tmp_path / "moved")
    again = planned({}, resume="glca_heads", data=str(tmp_path / "moved"))
    assert data_digest(again.split) == data_digest(first.split)


def test_resuming_what_is_not_there_names_the_nearest(started: Planned, planned: Planned) -> None:
    started(space="glca_heads", name="long_search")
    with pytest.raises(UserError, match=r"resume=long_serach: no such sweep in .*; did you mean long_search"):
        planned({}, resume="long_serach")
    with pytest.raises(UserError, match="no such sweep"):
        planned({}, resume="../runs/long_search")


def test_a_folder_moved_to_another_machine_goes_on_there(planned: Planned, started: Planned, tmp_path: Path) -> None:
    first = started(space="glca_heads")
    (tmp_path / "runs").rename(tmp_path / "brought")
    again = planned({}, resume="glca_heads", output=tmp_path / "brought")
    assert again.sweep_id == first.sweep_id
    assert again.folder == tmp_path / "brought" / "glca_heads"


# ---- sweep.yaml


def test_sweep_yaml_is_plain_yaml_with_the_whole_configuration(started: Planned) -> None:
    plan = started(space="glca_heads", epochs=4)
    told = yaml.safe_load((plan.folder / "sweep.yaml").read_text())
    assert told["config"] == plan.config.model_dump(mode="json")
    assert told["options"]["objective"] == "val/twin_eer"
    assert told["options"]["space"] == "glca_heads"
    assert flatten(plan.config)["train.epochs"] == 4


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9, 0.98])
def test_a_truncated_sweep_yaml_is_told_and_never_taken_for_another_sweep(
    started: Planned, planned: Planned, keep: float
) -> None:
    plan = started(space="glca_heads")
    path = plan.folder / "sweep.yaml"
    text = path.read_text()
    path.write_text(text[: int(len(text) * keep)])
    for again in ({"resume": "glca_heads"}, {"space": "glca_heads", **FEW}):
        overrides = {key: again.pop(key) for key in FEW if key in again}
        with pytest.raises(UserError):
            planned(overrides, **again)


@pytest.mark.parametrize("wrong", ["format: 2\n", "[]\n", "just text\n", "format: 1\nname: x\n"])
def test_what_is_no_sweep_yaml_is_named(started: Planned, planned: Planned, wrong: str) -> None:
    plan = started(space="glca_heads")
    (plan.folder / "sweep.yaml").write_text(wrong)
    with pytest.raises(UserError, match=r"sweep\.yaml: not a whole sweep of this version"):
        planned({}, resume="glca_heads")
