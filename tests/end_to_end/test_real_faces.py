"""The same command on real faces, as they lie there."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from command_line import Store, Sweep, call
from store_assertions import assert_read_back

from twinverify.faces.load import check_data
from twinverify.search.stored import read_sweep

#: A busy machine takes minutes for what a quiet one does in one.
pytestmark = pytest.mark.timeout(1500)


def without_pairs(orl: Path, folder: Path) -> Path:
    """Copy half of the people: one folder a person and no file of pairs."""
    for number in range(1, 21):
        shutil.copytree(orl / f"s{number}", folder / f"s{number}")
    return folder


@pytest.fixture(scope="module")
def learned(orl: Path, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A sweep that has the time to learn."""
    root = tmp_path_factory.mktemp("real")
    store = Store(root / "store")
    words = (
        "tune",
        "space=glca_heads",
        f"data={orl}",
        "trials=4",
        "epochs=20",
        "output=runs",
        f"tracking={store.uri}",
    )
    sweep = Sweep(call(*words, "results=true", cwd=root, timeout=1200), root / "runs" / "glca_heads", store, words)
    assert sweep.finished.status == 0, sweep.finished.err
    return sweep


def test_a_sweep_on_real_faces_learns_people_it_has_never_seen(learned: Sweep) -> None:
    runs = learned.store.trials()
    assert len(runs) == 4
    assert_read_back(learned, "val/twin_eer", space="glca_heads", dataset="orl")
    best = min(
        entry.value
        for run in runs
        for entry in learned.store.client.get_metric_history(run.info.run_id, "val/general_eer")
    )
    assert best < 0.35


def test_its_leaderboard_has_intervals_and_its_page_shows_nobody(learned: Sweep) -> None:
    done = call("compare", "glca_heads", "output=runs", "format=json", cwd=learned.folder.parents[1])
    assert done.status == 0, done.err
    (board,) = json.loads(done.out)
    low, high = board["trials"][0]["intervals"]["val/general_eer"]
    assert low < board["trials"][0]["metrics"]["val/general_eer"] < high
    page = (learned.folder / "report.html").read_text()
    assert "data:image/jpeg" not in page
    assert not re.search(r"\bs\d+/\d+\.(pgm|png|jpg)", page)


def test_its_model_knows_a_person_it_has_never_seen_again(learned: Sweep, orl: Path) -> None:
    split = check_data(str(orl), read_sweep(learned.folder).config, learned.folder.parent / ".cache")
    first, second = split.test.people[0].images[:2]
    stranger = split.test.people[-1].images[0]
    scores = []
    for other in (second, stranger):
        words = (str(first), str(other), "model=glca_heads", "output=runs", "format=json")
        done = call("verify", *words, cwd=learned.folder.parents[1])
        assert done.status == 0, done.err
        scores.append(json.loads(done.out)["score"])
    assert scores[0] > scores[1]


def test_a_sweep_on_real_faces_is_confirmed_on_the_sealed_people(orl: Path, tmp_path: Path) -> None:
    small = ("model.width=48", "model.depth=2", "model.pwca.blocks=2", "epochs=2")
    words = ("space=glca_heads", f"data={orl}", "trials=2", "concurrency=1", "output=runs", "tracking=off", *small)
    assert call("tune", *words, cwd=tmp_path).status == 0
    done = call("confirm", "glca_heads", "top=1", "seeds=2", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    (test,) = yaml.safe_load((tmp_path / "runs" / "glca_heads" / "sealed_test.yaml").read_text())["tests"]
    assert 0 <= test["winner"]["figures"]["general_eer"]["value"] <= 1
    again = call("confirm", "glca_heads", "top=1", "seeds=2", "output=runs", cwd=tmp_path)
    assert again.status == 2
    assert "sealed test" in again.err


def test_without_pairs_the_objective_falls_back_and_says_so(orl: Path, tmp_path: Path) -> None:
    faces = without_pairs(orl, tmp_path / "faces")
    words = ("space=glca_heads", f"data={faces}", "trials=1", "epochs=1", "output=runs", "tracking=off")
    done = call("tune", *words, cwd=tmp_path)
    assert done.status == 0, done.err
    assert re.search(r"no twins.*val/general_eer", done.out)
    assert "Best: trial 0, val/general_eer" in done.out


@pytest.mark.parametrize("objective", ["val/twin_eer", "val/twin_auc"])
def test_a_twin_objective_without_twins_is_refused(orl: Path, tmp_path: Path, objective: str) -> None:
    faces = without_pairs(orl, tmp_path / "faces")
    done = call("tune", "space=glca_heads", f"data={faces}", f"objective={objective}", "output=runs", cwd=tmp_path)
    assert done.status == 2
    assert "no twins" in done.err
