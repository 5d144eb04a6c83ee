"""A loaded model: one score for a photograph however it is given, and one line for what it cannot use."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from served_sweep import ServedSweep

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.serving import model as model_module
from twinverify.serving.folder import write_best_folder
from twinverify.serving.model import Verifier, load_model
from twinverify.settings import TrainSettings


@pytest.fixture(scope="module")
def verifier(model_folder: Path) -> Verifier:
    return load_model(model_folder)


def test_path_text_and_content_are_the_same_photograph(verifier: Verifier, finished: ServedSweep) -> None:
    first, second = finished.faces[0], finished.faces[5]
    score = verifier.score(first, second)
    assert -1 <= score < 1
    assert verifier.score(str(first), second.read_bytes()) == score
    assert verifier.score(second, first) == score
    assert verifier.score(first, first.read_bytes()) == 1


def test_the_decision_is_whether_the_score_reaches_the_threshold(verifier: Verifier, finished: ServedSweep) -> None:
    verdicts = verifier.verify_all([(finished.faces[0], face) for face in finished.faces])
    assert {verdict.decision for verdict in verdicts} == {"same person", "different people"}
    for verdict in verdicts:
        assert (verdict.decision == "same person") == (verdict.score >= verdict.threshold)
    order = np.argsort([verdict.score for verdict in verdicts])
    shares = [verdicts[place].unrelated_share for place in order]
    assert shares == sorted(shares, reverse=True)  # type: ignore[type-var]


def test_no_pairs_give_no_verdicts(verifier: Verifier) -> None:
    assert verifier.verify_all([]) == []


def test_each_photograph_is_read_once(
    verifier: Verifier, finished: ServedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    whole = model_module.read_square
    monkeypatch.setattr(model_module, "read_square", lambda path, size: read.append(path) or whole(path, size))
    faces = finished.faces[:4]
    assert len(verifier.verify_all([(a, b) for a in faces for b in faces])) == 16
    assert read == faces


def test_more_photographs_than_a_batch_are_scored_as_alone(verifier: Verifier, finished: ServedSweep) -> None:
    first, others = finished.faces[0], [face.read_bytes() + bytes([n]) for n in range(5) for face in finished.faces]
    assert len(others) > 64
    scores = [verdict.score for verdict in verifier.verify_all([(first, other) for other in others])]
    alone = [verifier.score(first, other) for other in (others[0], others[70])]
    assert alone == pytest.approx([scores[0], scores[70]], abs=1e-6)


def test_what_it_looked_at_is_a_distribution_over_the_patches(verifier: Verifier, finished: ServedSweep) -> None:
    look = verifier.look(finished.faces[0])
    assert look.face.shape == (3, 32, 32)
    patches = int(verifier.model.backbone.patch_embed.num_patches)
    assert look.attention.shape == (patches,)
    assert (look.attention >= 0).all()
    assert 0 < look.attention.sum() <= 1 + 1e-5
    assert look.outlined >= 1 or verifier.model.settings.glca.selection != "rollout"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"no image", "an image: cannot be read as an image .not an image"), (b"", "an image: .* .empty")],
)
def test_content_that_is_no_image_is_told(verifier: Verifier, finished: ServedSweep, content: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        verifier.score(finished.faces[0], content)


def test_weights_of_another_model_are_refused(model_copy: Path) -> None:
    facts = (model_copy / "model.json").read_text()
    (model_copy / "model.json").write_text(facts.replace('"image_size": 32', '"image_size": 64'))
    with pytest.raises(UserError, match="its files are of different models"):
        load_model(model_copy)


@pytest.mark.parametrize("name", ["model.safetensors", "config.yaml"])
def test_a_missing_or_damaged_file_is_told(model_copy: Path, name: str) -> None:
    whole = (model_copy / name).read_bytes()
    (model_copy / name).write_bytes(b"\x00" * 7 + whole[7:-3])
    with pytest.raises(UserError, match=name):
        load_model(model_copy)
    (model_copy / name).unlink()
    with pytest.raises(UserError, match=name):
        load_model(model_copy)


def test_a_model_folder_works_wherever_it_is_copied(model_folder: Path, tmp_path: Path, finished: ServedSweep) -> None:
    shutil.copytree(model_folder, tmp_path / "elsewhere")
    pair = finished.faces[0], finished.faces[1]
    assert load_model(tmp_path / "elsewhere").score(*pair) == load_model(str(model_folder)).score(*pair)


@pytest.mark.parametrize(("validated_on", "amp"), [("cpu", "auto"), ("cpu", "off"), ("cuda", "fp16"), ("cuda", "bf16")])
def test_without_the_gpu_of_the_validation_it_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, validated_on: str, amp: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = TrainSettings.model_validate({"amp": amp, "device": "auto"})
    hardware = model_module._hardware(settings, validated_on)
    assert (hardware.device.type, hardware.amp) == ("cpu", None)


def test_its_configuration_is_one_that_train_takes(model_folder: Path) -> None:
    assert load_config(model_folder / "config.yaml").train.epochs == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("local_ratio: 0.15", "local_ratio: 0.9", "model.glca.local_ratio is 0.9 there, 0.15 in model.safetensors"),
        ("", "", "not a whole model folder (config.yaml is missing)"),
    ],
)
def test_a_configuration_that_is_not_that_of_the_weights_is_refused(
    sweep: ServedSweep, old: str, new: str, told: str
) -> None:
    place = write_best_folder(sweep.folder)
    assert place is not None
    path = place / "config.yaml"
    if old:
        text = path.read_text()
        found = re.search(r"local_ratio: \S+", text)
        assert found is not None
        path.write_text(text.replace(found[0], new))
        told = told.replace("0.15", found[0].partition(": ")[2])
    else:
        path.unlink()
    with pytest.raises(UserError, match=re.escape(told)):
        load_model(place)
