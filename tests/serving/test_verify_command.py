"""`verify` through its main function: one line for each mistake, and what it prints."""

import json
import shutil
from pathlib import Path

import pytest
from served_sweep import ServedSweep

from twinverify.config import dump_config, flatten, load_config, with_values
from twinverify.errors import UserError
from twinverify.model.dcal import Dcal
from twinverify.serving.facts import read_facts
from twinverify.serving.model import load_model
from twinverify.training.files import write_tensors
from twinverify.verify import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folder: Path, finished: ServedSweep) -> Path:
    """A current folder with a model, two photographs and a sweep."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model_folder, tmp_path / "model")
    shutil.copytree(finished.folder, tmp_path / "runs" / "small")
    verifier, first = load_model(model_folder), finished.faces[0]
    for name, face in (("a.png", first), ("b.png", min(finished.faces, key=lambda face: verifier.score(first, face)))):
        shutil.copy(face, tmp_path / name)
    (tmp_path / "empty.jpg").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a.png", "b.png"), "verify: model= is missing; give a model folder, or a sweep in .*runs: small"),
        (("model=model",), "verify: two images are wanted, none given"),
        (("a.png", "model=model"), r"verify: two images are wanted, 1 \(a.png\) given"),
        (("a.png", "b.png", "a.png", "model=model"), "verify: two images are wanted, 3"),
        (("a.png", "empty.jpg", "model=model"), r"empty.jpg: cannot be read as an image \(empty\)"),
        (("a.png", "runs", "model=model"), "runs: is a folder; give an image file"),
        (("a.png", "none.png", "model=model"), "none.png: there is no such file"),
        (("a.png", "b.png", "model=runs/smal/best"), "there is no such folder; did you mean small"),
        (("a.png", "b.png", "model=modle"), "did you mean small|known: small"),
        (("a.png", "b.png", "model=model", "picture=out.txt"), "picture=out.txt: the ending says what kind it is"),
        (("a.png", "b.png", "model=model", "picture=no/out.png"), "there is no folder no; make it first"),
        (("a.png", "b.png", "model=model", "picture=a.png"), "is one of the photographs"),
        (("a.png", "b.png", "model=model", "train.lr=1"), "train.lr is not a setting of verify"),
    ],
)
@pytest.mark.usefixtures("place")
def test_a_mistake_is_told_in_a_line(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(UserError, match=told):
        main([*words, "output=runs"])


def test_the_status_is_0_whatever_the_decision(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decisions = set()
    for second in ("a.png", "b.png"):
        assert main(["a.png", second, "model=model", "format=json"]) == 0
        decisions.add(json.loads(capsys.readouterr().out)["decision"])
    assert decisions == {"same person", "different people"}


def test_a_picture_is_told_with_what_it_shows(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a.png", "b.png", "model=model", "picture=out.png"]) == 0
    assert "out.png: bright is where" in capsys.readouterr().out
    assert (place / "out.png").exists()
    # Again over the old one.
    assert main(["a.png", "b.png", "model=model", "picture=out.png", "format=json"]) == 0
    json.loads(capsys.readouterr().out)


def test_without_glca_the_picture_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = with_values(load_config(place / "model" / "config.yaml"), {"model.glca.blocks": 0})
    model = Dcal(config.model)
    write_tensors(place / "model" / "model.safetensors", model.state_dict(), {"identity": flatten(config)})
    facts = read_facts(place / "model").model_copy(update={"embedding_width": model.embedding})
    (place / "model" / "model.json").write_text(facts.to_json())
    (place / "model" / "config.yaml").write_text(dump_config(config))
    assert main(["a.png", "b.png", "model=model", "picture=out.png"]) == 0
    assert (
        "this model has no GLCA; bright is where the attention of its SA blocks comes from" in capsys.readouterr().out
    )
