"""`best/`: whole or as it was, of the best trial, and not made twice."""

import json
from pathlib import Path
from typing import Any

import pytest
from served_sweep import ServedSweep

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.serving import folder as folder_module
from twinverify.serving.facts import read_facts
from twinverify.serving.folder import write_best_folder
from twinverify.serving.model import load_model
from twinverify.training.files import read_tensors, write_tensors
from twinverify.verification.family_scores import FamilyScores


def state_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_ino, path.read_bytes()) for path in folder.iterdir()}


def test_it_has_the_weights_as_they_were_validated(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made == sweep.folder / "best"
    facts = read_facts(made)
    there, _ = read_tensors(sweep.folder / f"{facts.sweep.trial:05d}" / "best.safetensors")
    here, _ = read_tensors(made / "model.safetensors")
    assert there.keys() == here.keys()
    assert all((there[name] == here[name]).all() for name in there)
    assert not [path.name for path in sweep.folder.iterdir() if path.name.startswith(".")]


def test_one_of_the_same_trial_and_epoch_stays(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    before = state_of(made)
    assert write_best_folder(sweep.folder) == made
    assert state_of(made) == before


def test_a_better_trial_takes_its_place(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    (made / "stray.txt").write_text("of the old one")
    better = sweep.add_trial(0.01)
    assert write_best_folder(sweep.folder) == made
    assert read_facts(made).sweep.trial == better
    assert not (made / "stray.txt").exists()
    load_model(made)


def test_one_that_lacks_a_file_is_made_anew(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    (made / "model.safetensors").unlink()
    write_best_folder(sweep.folder)
    load_model(made)


@pytest.mark.parametrize("step", ["write_tensors", "draw_pictures", "model_card"])
def test_what_fails_midway_leaves_the_old_one_and_nothing_else(
    sweep: ServedSweep, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    before, names = state_of(made), sorted(path.name for path in sweep.folder.iterdir())
    sweep.add_trial(0.01)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, step, killed)
    with pytest.raises(KeyboardInterrupt):
        write_best_folder(sweep.folder)
    assert state_of(made) == before
    assert sorted(path.name for path in sweep.folder.iterdir()) == sorted([*names, "00002"])


def test_what_a_killed_process_left_aside_goes(sweep: ServedSweep) -> None:
    for name in (".best.123456", ".best.old.123456"):
        (sweep.folder / name).mkdir()
    write_best_folder(sweep.folder)
    assert not [path.name for path in sweep.folder.iterdir() if path.name.startswith(".")]


def test_a_kill_while_it_is_replaced_loses_no_model(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    before, old = state_of(made), sweep.folder / ".best.old.123456"
    # As a kill between the two renames leaves it; and then the newer one's weights are gone too.
    made.replace(old)
    (sweep.folder / ".best.123456").mkdir()
    number = sweep.add_trial(0.01)
    weights = (sweep.folder / f"{number:05d}" / "best.safetensors").rename(sweep.folder / "weights")
    with pytest.raises(UserError, match="are not there any more"):
        write_best_folder(sweep.folder)
    assert state_of(made) == before
    weights.rename(sweep.folder / f"{number:05d}" / "best.safetensors")
    write_best_folder(sweep.folder)
    assert read_facts(made).sweep.trial == number
    assert not [path.name for path in sweep.folder.iterdir() if path.name.startswith(".")]


def test_what_stands_aside_stays_until_a_new_one_stands(sweep: ServedSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    old = made.rename(sweep.folder / ".best.old.123456")
    made.mkdir()  # somebody's, without a model

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(folder_module, "draw_pictures", killed)
        with pytest.raises(KeyboardInterrupt):
            write_best_folder(sweep.folder)
    assert (old / "model.safetensors").is_file()
    write_best_folder(sweep.folder)
    load_model(made)
    assert not old.exists()


def test_half_a_folder_that_a_killed_removal_left_is_not_put_back(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    half = made.rename(sweep.folder / ".best.old.123456")
    (half / "model.safetensors").unlink()
    (sweep.folder / "00000" / "best.safetensors").unlink()
    (sweep.folder / "00001" / "best.safetensors").unlink()
    with pytest.raises(UserError, match="are not there any more"):
        write_best_folder(sweep.folder)
    assert not made.exists()


def test_where_the_first_weights_lay_is_not_told(sweep: ServedSweep) -> None:
    made = write_best_folder(sweep.folder)
    assert made is not None
    place = "/home/alice/secret/vit.safetensors"
    plan = sweep.folder / "sweep.yaml"
    plan.write_text(plan.read_text().replace("weights: null", f"weights: {place}"))
    journal = sweep.folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"weights":null', f'"weights":"{place}"'))
    for trial in ("00000", "00001"):
        weights = sweep.folder / trial / "best.safetensors"
        tensors, values = read_tensors(weights)
        write_tensors(weights, tensors, values | {"identity": values["identity"] | {"model.weights": place}})
    write_best_folder(sweep.folder)  # in place of one whose configuration is another
    assert b"alice" not in b"".join(path.read_bytes() for path in made.iterdir())
    assert str(load_config(made / "config.yaml").model.weights) == "vit.safetensors"
    assert read_tensors(made / "model.safetensors")[1]["identity"]["model.weights"] == "vit.safetensors"
    assert "the weights `vit.safetensors`" in (made / "README.md").read_text()
    load_model(made)
    before = state_of(made)
    write_best_folder(sweep.folder)
    assert state_of(made) == before


def test_without_a_result_there_is_none(sweep: ServedSweep) -> None:
    journal = sweep.folder / "journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if json.loads(line)["event"] in ("planned", "drawn")]
    journal.write_text("".join(f"{line}\n" for line in lines))
    assert write_best_folder(sweep.folder) is None
    assert not (sweep.folder / "best").exists()


def test_lost_weights_are_told_in_a_line(sweep: ServedSweep) -> None:
    number = sweep.add_trial(0.01)
    (sweep.folder / f"{number:05d}" / "best.safetensors").unlink()
    with pytest.raises(UserError, match="the weights of trial 2, the best, are not there any more"):
        write_best_folder(sweep.folder)


def test_scores_of_another_epoch_are_refused(sweep: ServedSweep) -> None:
    number = sweep.add_trial(0.01)
    place = sweep.folder / f"{number:05d}" / "scores.npz"
    scores = FamilyScores.load(place)
    FamilyScores(**{**vars(scores), "epoch": 7}).save(place)
    with pytest.raises(UserError, match=r"holds the scores of epoch 7, and .* beside it the weights of"):
        write_best_folder(sweep.folder)


def test_no_scores_are_told_in_a_line(sweep: ServedSweep) -> None:
    number = sweep.add_trial(0.01)
    (sweep.folder / f"{number:05d}" / "scores.npz").unlink()
    with pytest.raises(UserError, match=r"scores\.npz: is not there"):
        write_best_folder(sweep.folder)
