"""Checkpoints: whole or not there, damaged ones noticed, another training's refused, no pickle."""

import json
import os
import struct

import pytest
import torch

from twinverify.errors import UserError
from twinverify.training import files
from twinverify.training.checkpoint import read_model
from twinverify.training.files import DamagedFileError, read_tensors, write_tensors
from twinverify.training.loop import fit
from twinverify.training.names import BEST, LAST, PREVIOUS


def numbers(reports):
    return [{k: v for k, v in report.metrics.items() if k != "train/images_per_second"} for report in reports]


def cut(path):
    path.write_bytes(path.read_bytes()[:-1000])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-5000] ^= 1
    path.write_bytes(content)


def alter_the_header(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b'\\"updates\\": ', b'\\"updates\\":1', 1))


def empty(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, alter_the_header, empty])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_goes_on_exactly(
    small, draw_faces, tmp_path, damage, caplog
):
    config, faces = small(), draw_faces()
    whole = list(fit(config, faces, faces))
    run = fit(config, faces, faces, folder=tmp_path)
    done = [next(run), next(run)]
    run.close()
    damage(tmp_path / LAST)
    rest = list(fit(config, faces, faces, folder=tmp_path))
    assert rest[0] == done[0]
    assert rest[1] != done[1], "its speed shows that the second epoch was computed again"
    assert numbers(rest) == numbers(whole)
    assert LAST in caplog.text
    assert (tmp_path / "last.damaged").exists()


def test_with_no_good_checkpoint_the_training_begins_anew(small, draw_faces, tmp_path):
    config, faces = small({"train.epochs": 2}), draw_faces()
    whole = list(fit(config, faces, faces, folder=tmp_path))
    cut(tmp_path / LAST)
    cut(tmp_path / PREVIOUS)
    assert numbers(fit(config, faces, faces, folder=tmp_path)) == numbers(whole)


def test_a_kill_while_writing_leaves_the_state_before(small, draw_faces, tmp_path, monkeypatch):
    config, faces = small(), draw_faces()
    whole = list(fit(config, faces, faces))
    run = fit(config, faces, faces, folder=tmp_path)
    first = next(run)
    real, calls = files.save_file, []

    def killed(tensors, path, metadata):
        calls.append(path.name)
        if path.name.startswith(f".{LAST}"):
            path.write_bytes(b"half")
            raise KeyboardInterrupt
        real(tensors, path, metadata=metadata)

    monkeypatch.setattr(files, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        next(run)
    monkeypatch.undo()
    assert calls == [f".{LAST}.{os.getpid()}"]
    rest = list(fit(config, faces, faces, folder=tmp_path))
    assert rest[0] == first
    assert numbers(rest) == numbers(whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train.lr": 0.5}, "train.lr is 0.001 there, 0.5 here; choose"),
        ({"seed": 4, "train.lr": 0.5}, "seed is 0 there, 4 here and 1 more"),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(small, draw_faces, tmp_path, changes, message):
    faces = draw_faces()
    next(fit(small(), faces, faces, folder=tmp_path))
    with pytest.raises(UserError, match=message):
        next(fit(small(changes), faces, faces, folder=tmp_path))


def test_a_checkpoint_of_other_people_or_another_objective_is_refused(small, draw_faces, tmp_path):
    next(fit(small(), draw_faces(), draw_faces(), folder=tmp_path))
    with pytest.raises(UserError, match="training people is"):
        next(fit(small(), draw_faces(images=5), draw_faces(), folder=tmp_path))
    with pytest.raises(UserError, match="objective is val/twin_eer there, val/twin_auc here"):
        next(fit(small(), draw_faces(), draw_faces(), folder=tmp_path, objective="val/twin_auc"))


def test_the_folder_holds_safetensors_json_scores_and_a_picture_and_nothing_else(small, draw_faces, tmp_path):
    faces = draw_faces()
    reports = list(fit(small(), faces, faces, folder=tmp_path))
    weights, others = {LAST, PREVIOUS, BEST}, {"last.json", "best.json", "scores.npz", "rollout.png"}
    assert {path.name for path in tmp_path.iterdir()} == weights | others
    for name in (LAST, PREVIOUS, BEST):
        content = (tmp_path / name).read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        assert "__metadata__" in json.loads(content[8 : 8 + length])
    assert json.loads((tmp_path / "last.json").read_text())["epoch"] == 3
    best = json.loads((tmp_path / "best.json").read_text())
    assert best["metrics"]["val/twin_eer"] == min(report.metrics["val/twin_eer"] for report in reports)
    assert list(fit(small(), faces, faces, folder=tmp_path)) == reports


def test_tensors_of_every_kind_come_back_as_they_were(tmp_path):
    shared = torch.arange(6.0)
    tensors = {
        "float": torch.randn(3, 4),
        "half": torch.randn(5).bfloat16(),
        "scalar": torch.tensor(3),
        "none": torch.empty(0, 2),
        "turned": torch.randn(3, 4).T,
        "shared": shared,
        "shared too": shared.view(2, 3),
    }
    write_tensors(tmp_path / "x", tensors, {"a": [1, "ä"]})
    found, values = read_tensors(tmp_path / "x")
    assert values == {"a": [1, "ä"]}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_a_foreign_file_is_damaged_and_a_missing_model_is_the_users(tmp_path):
    (tmp_path / "x").write_bytes(b"not a tensor file at all")
    with pytest.raises(DamagedFileError):
        read_tensors(tmp_path / "x")
    for name in ("x", "absent"):
        with pytest.raises(UserError, match=f"{name}: cannot be read"):
            read_model(tmp_path / name)


def test_a_checkpoint_from_before_a_setting_existed_goes_on(small, draw_faces, tmp_path):
    config, faces = small(), draw_faces()
    run = fit(config, faces, faces, folder=tmp_path)
    first = next(run)
    run.close()
    for name in (LAST, BEST):
        tensors, values = read_tensors(tmp_path / name)
        assert values["identity"].pop("split.reshuffle", "absent") is None
        write_tensors(tmp_path / name, tensors, values)
    rest = list(fit(config, faces, faces, folder=tmp_path))
    assert rest[0] == first, "its speed shows that it was not computed again"
    assert numbers(rest) == numbers(fit(config, faces, faces))


def test_a_setting_that_came_later_and_is_not_at_its_default_is_another_training(small, draw_faces, tmp_path):
    faces = draw_faces()
    run = fit(small(), faces, faces, folder=tmp_path)
    next(run)
    run.close()
    tensors, values = read_tensors(tmp_path / LAST)
    del values["identity"]["split.reshuffle"]
    write_tensors(tmp_path / LAST, tensors, values)
    with pytest.raises(UserError, match=r"split\.reshuffle is None there, 3 here"):
        next(fit(small({"split.reshuffle": 3}), faces, faces, folder=tmp_path))
