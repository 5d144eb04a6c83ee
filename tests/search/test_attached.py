"""Which files of a training's folder go to its run, and the ROC that is drawn for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.faces.pictures import epoch_of, save_picture
from twinverify.search import attached
from twinverify.search.attached import attached_files
from twinverify.verification.by_family import by_family
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import PairScores
from twinverify.verification.unrelated import UnrelatedBlock


def scores(epoch: int, twins: bool = True) -> FamilyScores:
    rng = np.random.default_rng(0)
    family = np.repeat(np.arange(6), 20)
    first, second = (np.repeat(part, 20) for part in np.triu_indices(6, 1))
    of = {"same": (0.5, family), "twin": (0.3, family), "general": (0.0, first)}
    drawn = {kind: rng.normal(mean, 0.1, len(who)).astype(np.float32) for kind, (mean, who) in of.items()}
    keep = slice(None) if twins else slice(0)
    found = PairScores(
        same=drawn["same"], twin=drawn["twin"][keep], general=drawn["general"], same_family=family,
        twin_family=family[keep],
    )  # fmt: skip
    blocks = [UnrelatedBlock(drawn["general"], first, second)]
    return replace(by_family(found, blocks, [f"family {n}" for n in range(6)]), epoch=epoch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("log.txt", "versions.txt", "best.safetensors", "dataset.json"):
        (tmp_path / name).write_text("")
    save_picture(Image.new("RGB", (4, 4)), tmp_path / "rollout.png", epoch=2)
    scores(2).save(tmp_path / "scores.npz")
    return tmp_path


def names(files: list[Path]) -> list[str]:
    return [path.name for path in files]


def test_log_versions_and_the_pictures_of_the_best_epoch_go(folder: Path) -> None:
    assert names(attached_files(folder, 2)) == ["log.txt", "versions.txt", "rollout.png", "roc.png"]
    assert epoch_of(folder / "roc.png") == 2
    with Image.open(folder / "roc.png") as picture:
        assert len(picture.getcolors(2**20) or ()) > 50  # curves, and not a white sheet


def test_pictures_of_another_epoch_stay(folder: Path) -> None:
    assert names(attached_files(folder, 1)) == ["log.txt", "versions.txt"]
    assert names(attached_files(folder, None)) == ["log.txt", "versions.txt"]


def test_the_roc_is_drawn_once_an_epoch(folder: Path) -> None:
    attached_files(folder, 2)
    before = (folder / "roc.png").stat().st_mtime_ns
    attached_files(folder, 2)
    assert (folder / "roc.png").stat().st_mtime_ns == before
    scores(3).save(folder / "scores.npz")
    attached_files(folder, 3)
    assert epoch_of(folder / "roc.png") == 3


def test_without_twins_the_unrelated_are_drawn(folder: Path) -> None:
    scores(2, twins=False).save(folder / "scores.npz")
    assert "roc.png" in names(attached_files(folder, 2))


@pytest.mark.parametrize("content", [None, b"PK cut off"])
def test_without_scores_there_is_no_roc(folder: Path, content: bytes | None) -> None:
    (folder / "scores.npz").unlink() if content is None else (folder / "scores.npz").write_bytes(content)
    assert "roc.png" not in names(attached_files(folder, 2))


def test_a_picture_that_fails_holds_nothing_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "draw_roc", lambda *_: 1 / 0)
    assert names(attached_files(folder, 2)) == ["log.txt", "versions.txt", "rollout.png"]


def test_a_full_disk_is_for_the_sweep_to_tell(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attached, "draw_roc", fails)
    assert names(attached_files(folder, 2)) == ["log.txt", "versions.txt", "rollout.png"]
    assert caplog.records == []
