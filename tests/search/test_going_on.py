"""Going on with a sweep: what a start may change, what is refused by name, and what is told."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from planning import FEW, Planned, faces, noted, opened

from twinverify.errors import UserError
from twinverify.places import store_folder
from twinverify.search.journal import read_events
from twinverify.search.options import TuneOptions
from twinverify.search.rungs import stopper_of

pytestmark = pytest.mark.usefixtures("no_probe")


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


@pytest.mark.parametrize("again", [{"space": "glca_heads"}, {"resume": "glca_heads"}], ids=["same command", "resume"])
def test_a_sweep_of_an_older_version_keeps_its_rungs(started: Planned, planned: Planned, again: dict[str, Any]) -> None:
    settings: dict[str, Any] = {"epochs": 20}
    first = started(space="glca_heads", **settings)
    assert first.options.grace_epochs == 5
    path = first.folder / "journal.jsonl"
    older = path.read_text().replace('"grace_epochs":5', '"grace_epochs":null')
    assert older.count("null") > path.read_text().count("null")
    path.write_text(older)
    plan = planned(*([FEW] if "space" in again else [{}]), **again, **(settings if "space" in again else {}))
    assert plan.goes_on
    stopper = stopper_of(plan.options, 20)
    assert stopper is not None
    assert stopper.levels == (4, 12)


def test_another_space_under_the_same_name_is_named(started: Planned, planned: Planned) -> None:
    started(space="glca_heads", name="mine")
    with pytest.raises(UserError, match=r"space was glca_heads \(\w+\), now pwca \(\w+\)"):
        planned(space="pwca", name="mine")
    with pytest.raises(UserError, match=r"resume=mine: .*space was glca_heads, now pwca"):
        planned({}, resume="mine", space="pwca")
    with pytest.raises(UserError, match=r"resume=mine: .*config was not given, now small"):
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
    # Nothing is written where it once lay.
    assert again.cache == tmp_path / "brought" / ".cache"
    assert noted(again).stored().options.output == tmp_path / "brought"
    (tmp_path / "brought").rename(tmp_path / "runs")
    assert planned({}, resume="glca_heads").folder == first.folder


def test_what_was_changed_stays_changed_under_the_same_command_too(started: Planned, planned: Planned) -> None:
    command = {"space": "glca_heads", "trials": 8, "concurrency": 1}
    started(**command)
    noted(planned({}, resume="glca_heads", budget="5h", keep=2, tracking="http://127.0.0.1:1", concurrency=2))
    again = planned(**command)
    assert (again.options.budget, again.options.keep, again.options.tracking) == (18000, 2, "http://127.0.0.1:1")
    # What the command says counts, even where it says what it said at first.
    assert again.options.concurrency == 1


def test_the_seeds_of_search_and_trainings_are_told_apart(started: Planned, planned: Planned, tmp_path: Path) -> None:
    """A configuration file may set the second alone; `seed=` sets both."""
    (tmp_path / "five.yaml").write_text("seed: 5\nsynthetic: {families: 12, images: 3}\n")
    command: dict[str, Any] = {"space": "glca_heads", "config": str(tmp_path / "five.yaml")}
    started({}, **command)
    assert planned({}, **command).goes_on
    with pytest.raises(UserError, match="seed was '0 for the search, 5 for the trainings', now 5"):
        planned({}, **command, seed=5)


@pytest.mark.parametrize("value", [0.15, 0.3])
def test_to_fix_what_the_space_draws_is_refused(started: Planned, planned: Planned, value: float) -> None:
    """Also to the value of the default, with which the configuration stays what it was."""
    started(space="glca_heads")
    drawn = r"model\.glca\.local_ratio was drawn from \{.*\}, now fixed"
    with pytest.raises(UserError, match=drawn):
        planned({"model.glca.local_ratio": value}, resume="glca_heads")
    with pytest.raises(UserError, match=drawn):
        planned(FEW | {"model.glca.local_ratio": value}, space="glca_heads")


def test_a_setting_that_a_changed_space_draws_otherwise_is_named_old_and_new(
    started: Planned, planned: Planned, tmp_path: Path
) -> None:
    path = tmp_path / "rates.yaml"
    path.write_text("train.lr: {float: [1e-4, 1e-3], log: true}\ntrain.warmup: {float: [0.1, 0.2]}\n")
    started(space=str(path))
    path.write_text("train.lr: {float: [1e-4, 1e-2], log: true}\ntrain.clip: {float: [0.1, 0.2]}\n")
    with pytest.raises(UserError) as refused:
        planned(space=str(path))
    told = str(refused.value)
    assert "train.lr was drawn from {float: [0.0001, 0.001], log: true}, now drawn from {float: [0.0001, 0.01]" in told
    assert "train.warmup was drawn from {float: [0.1, 0.2]}, now fixed" in told
    assert "train.clip was fixed, now drawn from {float: [0.1, 0.2]}" in told


def test_all_differences_stand_in_one_line(started: Planned, planned: Planned, tmp_path: Path) -> None:
    folder = faces(tmp_path / "faces")
    started({}, space="glca_heads", data=str(folder))
    (folder / "p03" / "1.png").write_bytes(b"other bytes")
    with pytest.raises(UserError) as refused:
        planned({"train.lr": 0.5, "split.seed": 4}, resume="glca_heads", space="pwca", sampler="grid", experiment="x")
    told = str(refused.value)
    wanted = ("space", "sampler", "data", "train.lr", "split.seed", "experiment")
    assert [key for key in wanted if f"{key} was " not in told] == []
    assert "\n" not in told


def test_what_was_given_can_be_taken_back(started: Planned, planned: Planned) -> None:
    started(space="glca_heads", budget="5h", cpus=8, concurrency=2, tracking="off", cache="/tmp/elsewhere")
    none = {"budget": None, "cpus": None, "concurrency": "auto", "tracking": None, "cache": None}
    plan = noted(planned({}, resume="glca_heads", **none))
    for options in (plan.options, planned({}, resume="glca_heads").options):
        assert {key: getattr(options, key) for key in none} == none


# ---- the experiment


def test_runs_may_move_to_another_experiment_only_with_the_place_that_keeps_them(
    started: Planned, planned: Planned, tmp_path: Path
) -> None:
    started(space="glca_heads")
    with pytest.raises(UserError, match=r"experiment was 'twin-.*', now 'mine'"):
        planned({}, resume="glca_heads", experiment="mine")
    moved = planned({}, resume="glca_heads", experiment="mine", tracking=str(tmp_path / "store"))
    assert moved.options.experiment == "mine"


# ---- what is told


def drawn(plan: Any, trials: int) -> None:
    state = opened(plan)
    for _ in range(trials):
        state.draw()
    state.close()


def test_where_nothing_changed_nothing_is_told_and_nothing_noted(started: Planned, planned: Planned) -> None:
    first = started(space="glca_heads")
    for again in ({"resume": "glca_heads"}, {"resume": "glca_heads", "trials": 12, "tracking": "default"}):
        plan = noted(planned({}, **again))
        assert plan.notes == ()
    noted(planned(space="glca_heads"))
    assert len(read_events(first.folder, "planned")) == 1


def test_fewer_trials_than_are_drawn_end_the_drawing_and_are_told(started: Planned, planned: Planned) -> None:
    drawn(started(space="glca_heads", trials=20), 7)
    plan = noted(planned({}, resume="glca_heads", trials=3))
    assert plan.options.trials == 7
    assert plan.notes == ("trials=3: 7 are drawn already; open ones are finished, no more are drawn",)
    later = planned({}, resume="glca_heads")
    assert (later.options.trials, later.notes) == (7, ())
    assert planned({}, resume="glca_heads", trials=20).notes == ()


def test_fewer_trials_than_before_are_told(started: Planned, planned: Planned) -> None:
    drawn(started(space="glca_heads", trials=20), 7)
    assert planned({}, resume="glca_heads", trials=9).notes == ("trials was 20, now 9, for later starts too",)


def test_another_place_for_the_runs_is_told_with_what_becomes_of_them(
    started: Planned, planned: Planned, tmp_path: Path
) -> None:
    drawn(started(space="glca_heads"), 7)
    plan = noted(planned({}, resume="glca_heads", tracking="http://me:secret@127.0.0.1:1"))
    assert plan.notes == ("tracking was default, now http://…@127.0.0.1:1: all 7 trials are delivered there",)
    assert plan.tracking_given
    plan = noted(planned({}, resume="glca_heads", tracking=str(tmp_path / "store")))
    assert plan.notes[0].endswith(f"now {(tmp_path / 'store').as_uri()}: all 7 trials are delivered there")
    again = planned({}, resume="glca_heads")
    assert (again.notes, again.tracking_given) == ((), False)
    assert planned({}, resume="glca_heads", tracking=str(tmp_path / "store")).notes == ()
    assert (
        planned({}, resume="glca_heads", tracking="default")
        .notes[0]
        .endswith("now default: all 7 trials are delivered there")
    )


def test_the_default_store_spelled_out_is_the_same_place(started: Planned, planned: Planned) -> None:
    started(space="glca_heads")
    assert planned({}, resume="glca_heads", tracking=str(store_folder())).notes == ()


def test_tracking_that_is_off_is_told_at_every_start_if_it_was_ever_on(started: Planned, planned: Planned) -> None:
    drawn(started(space="glca_heads"), 7)
    off = noted(planned({}, resume="glca_heads", tracking="off"))
    assert off.notes == (
        "tracking was default, now off, for later starts too: tracking=default delivers all trials there again",
    )
    later = noted(planned({}, resume="glca_heads"))
    assert later.options.tracking == "off"
    assert later.notes == ("tracking is off, as at the last start; tracking=default delivers all 7 trials there again",)
    assert planned({}, resume="glca_heads", tracking="off").notes == ()
    assert planned({}, resume="glca_heads", tracking="default").notes == (
        "tracking was off, now default: all 7 trials are delivered there",
    )


def test_tracking_that_was_never_on_is_not_spoken_of(started: Planned, planned: Planned) -> None:
    started(space="glca_heads", tracking="off")
    assert planned({}, resume="glca_heads").notes == ()


def test_packages_that_changed_since_the_start_are_told_and_those_of_the_start_kept(
    started: Planned, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = started(space="glca_heads")
    assert {"python", "torch", "ray", "scikit-learn"} <= first.versions.keys()
    monkeypatch.setattr(
        "twinverify.search.plan.installed_versions", lambda: dict(first.versions) | {"torch": "9.9", "timm": "9.8"}
    )
    for _ in range(2):
        again = noted(planned({}, resume="glca_heads"))
        assert again.notes == (
            f"torch was {first.versions['torch']} when this sweep started, now 9.9;"
            f" timm was {first.versions['timm']}, now 9.8: the rest of the sweep may differ in its last digits",
        )
        assert again.versions == first.versions
    assert planned(space="glca_heads", name="new").versions["torch"] == "9.9"


def test_a_copy_beside_its_original_is_refused_and_a_renamed_sweep_goes_on(
    started: Planned, planned: Planned, tmp_path: Path
) -> None:
    first = started(space="glca_heads", epochs=4)
    shutil.copytree(first.folder, tmp_path / "runs" / "copy")
    with pytest.raises(UserError, match="sweep copy: a copy of glca_heads beside it"):
        planned({}, resume="copy")
    shutil.rmtree(first.folder)
    assert planned({}, resume="copy").sweep_id == first.sweep_id


def test_another_sweep_of_the_old_name_does_not_keep_a_renamed_one(
    started: Planned, planned: Planned, tmp_path: Path
) -> None:
    first = started(space="glca_heads", epochs=4)
    first.folder.rename(tmp_path / "runs" / "renamed")
    started(space="glca_heads", epochs=4)
    assert planned({}, resume="renamed").sweep_id == first.sweep_id
