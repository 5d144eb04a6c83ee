"""The best model of a real sweep: its folder, `verify`, MLflow, and its training once more."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SMALL, Finished, Store, Sweep, call, environment
from PIL import Image

from twinverify.config import load_config
from twinverify.faces.load import load_data
from twinverify.serving.facts import read_facts
from twinverify.serving.folder import write_best_folder
from twinverify.serving.model import load_model
from twinverify.training.device import choose_hardware
from twinverify.training.evaluate import validate


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep of three trials, with families enough for an operating point."""
    root = tmp_path_factory.mktemp("served")
    store = Store(root / "store")
    where = ("output=runs", f"tracking={store.uri}")
    size = ("synthetic.families=24", *(word for word in SMALL if "families" not in word))
    words = ("tune", "space=glca_heads", "name=small", "trials=3", "epochs=2", "concurrency=1", *where, *size)
    finished = call(*words, "results=true", cwd=root, timeout=400)
    assert finished.status == 0, finished.err
    return Sweep(finished, root / "runs" / "small", store, words)


@pytest.fixture(scope="module")
def faces(sweep: Sweep) -> list[Path]:
    """The drawn photographs, person by person."""
    return sorted((sweep.folder.parent / ".cache").rglob("*.png"))


def verified(sweep: Sweep, *words: str) -> Finished:
    return call("verify", *words, cwd=sweep.folder.parents[1])


def served(script: str, cwd: Path) -> Any:
    """Run a script in a process that has this checkout on no path, and give what it prints as JSON."""
    env = environment() | {"MLFLOW_ALLOW_FILE_STORE": "true", "PYTHONPATH": ""}
    done = subprocess.run([sys.executable, "-c", script], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_finished_sweep_has_a_model_folder_and_no_remains(sweep: Sweep) -> None:
    names = {path.name for path in (sweep.folder / "best").iterdir()}
    assert names == {"model.safetensors", "model.json", "config.yaml", "README.md", "det.png", "scores.png"}
    assert not [path.name for path in sweep.folder.iterdir() if path.name.startswith(".best")]
    assert f"{sweep.folder / 'best'}" in sweep.finished.out


def test_the_model_folder_is_of_the_best_trial_and_its_metrics_are_those_of_the_journal(sweep: Sweep) -> None:
    told = re.search(r"Best: trial (\d+), val/twin_eer ([\d.]+)(?: \(95 % [^)]+\))? at epoch (\d+)", sweep.finished.out)
    assert told is not None
    facts = read_facts(sweep.folder / "best")
    assert (facts.sweep.trial, facts.sweep.epoch) == (int(told[1]), int(told[3]))
    assert facts.metrics["twin_eer"].value == pytest.approx(float(told[2]), abs=5e-5)
    assert load_config(sweep.folder / "best" / "config.yaml") == load_config(sweep.folder / "best.yaml")


def test_scores_are_those_of_the_validation(sweep: Sweep) -> None:
    config = load_config(sweep.folder / "best.yaml")
    data = load_data("synthetic", config, sweep.folder.parent / ".cache")
    verifier = load_model(sweep.folder / "best")
    measured = validate(verifier.model, data.validation, choose_hardware(config.train))
    side = data.split.validation
    pairs = [
        (first, second)
        for person in side.people
        for place, first in enumerate(person.images)
        for second in person.images[place + 1 :]
    ]
    scores = [verdict.score for verdict in verifier.verify_all(pairs)]
    assert len(scores) == len(measured.scores.same)
    assert np.abs(np.sort(scores) - np.sort(measured.scores.same)).max() <= 1e-6
    one_by_one = [verifier.score(*pair) for pair in pairs[:5]]
    assert np.abs(np.array(one_by_one) - scores[:5]).max() <= 1e-6


def test_verify_and_mlflow_agree(sweep: Sweep, faces: list[Path]) -> None:
    first, second = faces[0], faces[-1]
    done = verified(sweep, str(first), str(second), "model=small", "output=runs", "format=json")
    assert done.status == 0, done.err
    told = json.loads(done.out)
    script = f"""
import json, mlflow, pandas as pd
mlflow.set_tracking_uri({sweep.store.uri!r})
(parent,) = mlflow.search_runs(search_all_experiments=True, filter_string="tags.trials = '3'")["run_id"]
model = mlflow.pyfunc.load_model(f"runs:/{{parent}}/best")
content = open({str(first)!r}, "rb").read()
found = model.predict(pd.DataFrame({{"first": [{str(first)!r}, content], "second": [{str(second)!r}] * 2}}))
import twinverify
print(json.dumps({{"rows": found.to_dict("records"), "code": twinverify.__file__}}))
"""
    found = served(script, sweep.folder)
    assert len(found["rows"]) == 2
    for row in found["rows"]:
        assert row["score"] == pytest.approx(told["score"], abs=1e-6)
        assert row["threshold"] == told["operating_point"]["threshold"]
        assert row["decision"] == told["decision"]
    assert found["code"].endswith("/best/code/twinverify/__init__.py"), "the model's own code is served"


def test_a_photograph_is_the_same_person_as_itself(sweep: Sweep, faces: list[Path]) -> None:
    done = verified(sweep, str(faces[0]), str(faces[0]), "model=runs/small/best", "picture=out.png")
    assert done.status == 0, done.err
    assert re.search(r"^score +1\.000000$", done.out, re.MULTILINE)
    assert "same person" in done.out
    facts = read_facts(sweep.folder / "best")
    assert f"set for a false match rate of {facts.operating_point.wanted_fmr:g} among unrelated people" in done.out
    assert "twins taken for one person" in done.out
    with Image.open(sweep.folder.parents[1] / "out.png") as picture:
        pixels = np.asarray(picture)
    middle = pixels.shape[1] // 2
    assert np.abs(pixels[20:250, 12:268].astype(int) - pixels[20:250, middle + 6 : middle + 262]).mean() < 3, "twice"
    assert np.abs(pixels[20:250, 12:268].astype(int) - pixels[20:250, 280:536]).mean() > 3, "what it looked at glows"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("{face}", "text.jpg", "model=small"), "text.jpg: cannot be read as an image (not an image)"),
        (("{face}", "missing.jpg", "model=small"), "missing.jpg: there is no such file"),
        (("{face}", "{face}", "model=smal"), "did you mean small?"),
        (("{face}", "{face}", "model=newer"), "model newer: of format 2, made by twinverify 9.0.0; this version reads"),
    ],
)
def test_bad_input_is_one_line(sweep: Sweep, faces: list[Path], words: tuple[str, ...], told: str) -> None:
    root = sweep.folder.parents[1]
    (root / "text.jpg").write_text("no image")
    shutil.copytree(sweep.folder / "best", root / "newer", dirs_exist_ok=True)
    newer = json.loads((root / "newer" / "model.json").read_text())
    newer |= {"format": 2, "versions": {"twinverify": "9.0.0"}}
    (root / "newer" / "model.json").write_text(json.dumps(newer))
    done = verified(sweep, *(word.format(face=faces[0]) for word in words), "output=runs")
    assert done.status == 2
    assert done.out == ""
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def test_it_is_made_for_a_sweep_that_has_none_yet(sweep: Sweep, faces: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "runs" / "small"
    shutil.copytree(sweep.folder, copy, ignore=shutil.ignore_patterns("best", "sweep.lock"))
    done = call("verify", str(faces[0]), str(faces[1]), "model=small", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    assert read_facts(copy / "best") == read_facts(sweep.folder / "best")


def test_nobody_is_named_or_shown(sweep: Sweep, tmp_path: Path) -> None:
    config = load_config(sweep.folder / "best.yaml")
    people = [
        person.id
        for person in load_data("synthetic", config, sweep.folder.parent / ".cache").catalogue.people
        if not person.id.isdigit()
    ]
    assert people
    text = b"".join(path.read_bytes() for path in (sweep.folder / "best").iterdir())
    assert not [id for id in people if id.encode() in text]
    assert b"training people" not in text


def test_resuming_neither_makes_nor_logs_the_same_model_again(sweep: Sweep) -> None:
    def models() -> list[str]:
        return [path.name for path in sweep.store.folder.glob("*/models/*")]

    before, made = models(), (sweep.folder / "best").stat().st_ino
    assert len(before) == 1
    done = call("tune", "resume=small", "results=true", "output=runs", cwd=sweep.folder.parents[1], timeout=400)
    assert done.status == 0, done.err
    assert models() == before
    assert (sweep.folder / "best").stat().st_ino == made
    assert call("compare", "small", "output=runs", "check=true", cwd=sweep.folder.parents[1]).status == 0


def test_training_the_best_configuration_gives_its_numbers_to_the_last_digit(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a user's machine: left to itself, torch computes on all cores, and sums in another order than the trial did.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    done = call("train", f"config={sweep.folder / 'best.yaml'}", "tracking=off", "output=out", cwd=tmp_path)
    assert done.status == 0, done.err
    assert "as in sweep small: data=synthetic, objective=val/twin_eer, threads=1" in done.out
    facts = read_facts(write_best_folder(sweep.folder) or tmp_path)
    lines = (sweep.folder / f"{facts.sweep.trial:05d}" / "metrics.jsonl").read_text().splitlines()
    there = [json.loads(line) for line in lines]
    last, best = (json.loads((tmp_path / "out" / name).read_text()) for name in ("last.json", "best.json"))
    assert best["epoch"] == facts.sweep.epoch
    for trained in (last, best):
        reported = there[trained["epoch"] - 1]
        compared = {name for name in trained["metrics"] if name != "train/images_per_second"}
        assert {"train/loss", "val/twin_eer", "val/general_auc"} <= compared
        assert {name: trained["metrics"][name] for name in compared} == {name: reported[name] for name in compared}
