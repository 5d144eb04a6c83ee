"""The same command on real faces, as they lie there."""

import re
import shutil
from pathlib import Path

import pytest
from command_line import Store, Sweep, call
from store_assertions import assert_read_back


def without_pairs(orl: Path, folder: Path) -> Path:
    """Copy half of the people: one folder a person and no file of pairs."""
    for number in range(1, 21):
        shutil.copytree(orl / f"s{number}", folder / f"s{number}")
    return folder


def test_a_sweep_on_real_faces_learns_people_it_has_never_seen(orl: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    words = (
        "tune",
        "space=glca_heads",
        f"data={orl}",
        "trials=6",
        "epochs=30",
        "output=runs",
        f"tracking={store.uri}",
    )
    sweep = Sweep(call(*words, cwd=tmp_path, timeout=500), tmp_path / "runs" / "glca_heads", store, words)
    assert sweep.finished.status == 0, sweep.finished.err
    runs = store.trials()
    assert len(runs) == 6
    assert_read_back(sweep, "val/twin_eer", space="glca_heads", dataset="orl")
    best = min(
        entry.value for run in runs for entry in store.client.get_metric_history(run.info.run_id, "val/general_eer")
    )
    assert best < 0.35


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
