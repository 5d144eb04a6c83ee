"""The scores of the best epoch are there whenever the training is, and are those of its best weights."""

import numpy as np
import pytest

from twinverify.training.loop import fit
from twinverify.training.names import BEST, LAST, SCORES
from twinverify.training.report import best_epoch
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import estimates
from twinverify.verification.resampling import Resampling

OBJECTIVE = "val/twin_eer"


@pytest.fixture
def train(small, draw_faces, tmp_path):
    config = small({"train.epochs": 4})

    def run(epochs=4):
        training = fit(config, draw_faces(), draw_faces(seed=1), folder=tmp_path)
        reports = [next(training) for _ in range(epochs)]
        training.close()
        return reports

    return run


def test_they_are_those_of_the_best_epoch(train, tmp_path):
    reports = train()
    kept = FamilyScores.load(tmp_path / SCORES)
    assert kept.epoch == best_epoch(reports, OBJECTIVE)
    found = estimates(kept, Resampling.draw(kept, rounds=10))
    told = reports[kept.epoch - 1].metrics
    assert {name: told[f"val/{name}"] for name in found} == pytest.approx(
        {name: each.value for name, each in found.items()}, abs=2e-3
    )
    assert found["twin_eer"].value == pytest.approx(told[OBJECTIVE], abs=1e-6)


@pytest.mark.parametrize("damage", ["lost", "cut off", "of another epoch", "of no known version"])
def test_they_are_made_again_from_the_best_weights(train, tmp_path, damage):
    train()
    path = tmp_path / SCORES
    whole = path.read_bytes()
    kept = FamilyScores.load(path)
    if damage == "lost":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "of another epoch":
        other = {name: getattr(kept, name) for name in vars(kept) if not name.startswith("_")}
        fields = {name: other[name] for name in FamilyScores.__dataclass_fields__}
        FamilyScores(**fields | {"epoch": kept.epoch + 1, "same": kept.same[::-1]}).save(path)
    else:
        np.savez_compressed(path, format=np.int64(99))
    train()
    assert path.read_bytes() == whole


def test_a_kill_between_checkpoint_and_scores_is_mended(train, tmp_path, monkeypatch):
    whole = train()
    wanted = (tmp_path / SCORES).read_bytes()
    for name in (LAST, BEST, SCORES):
        (tmp_path / name).unlink()
    (tmp_path / "previous.safetensors").unlink(missing_ok=True)
    monkeypatch.setattr("twinverify.training.loop.keep_scores", _killed)
    with pytest.raises(KeyboardInterrupt):
        train()
    assert not (tmp_path / SCORES).exists()
    monkeypatch.undo()
    again = train()
    assert [each.metrics[OBJECTIVE] for each in again] == [each.metrics[OBJECTIVE] for each in whole]
    assert (tmp_path / SCORES).read_bytes() == wanted


def _killed(*_):
    raise KeyboardInterrupt
