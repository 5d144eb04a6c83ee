"""The picture of two faces: what is where, and places where it cannot be written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.errors import UserError
from twinverify.serving.model import Look, Verdict
from twinverify.serving.picture import check_picture, write_picture

VERDICT = Verdict(0.5, "same person", 0.25, 0.1, 0.2)


def look(colour: int, patch: int, outlined: int) -> Look:
    face = np.zeros((3, 32, 32), np.uint8)
    face[colour] = 200
    attention = np.zeros(16, np.float32)
    attention[patch] = 1
    return Look(face, attention, outlined)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "OUT.JPEG", "out.webp"])
def test_faces_and_what_was_looked_at_alternate(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / name, (look(0, 0, 0), look(2, 15, 1)), VERDICT)
    with Image.open(tmp_path / name) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    tiles = [pixels[12:268, left : left + 256] for left in (12, 280, 548, 816)]
    for tile, colour in zip(tiles, (0, 0, 2, 2), strict=True):
        assert tile[100:150, 100:150].mean(axis=(0, 1)).argmax() == colour
    bright = [tile.sum(axis=2) for tile in tiles]
    assert bright[1][10:40, 10:40].mean() > bright[0][10:40, 10:40].mean() + 100, "the first patch glows"
    assert bright[3][-40:-10, -40:-10].mean() > bright[2][-40:-10, -40:-10].mean() + 100, "the last patch glows"
    assert bright[3][192, 200:250].mean() > 600, "its outline"
    assert bright[1][63, 5:60].mean() < 600, "no outline"
    assert (pixels[-28:] < 128).any(), "words"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("out.txt", "the ending says what kind it is; give one of .png"),
        ("out", "the ending says what kind it is"),
        ("no/out.png", "there is no folder"),
        ("folder.png", "is a folder; give a file"),
    ],
)
def test_a_picture_that_could_not_be_written_is_refused(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=told):
        check_picture(tmp_path / name)


def test_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(UserError, match=r"out\.png: cannot be written \(Permission denied"):
        write_picture(tmp_path / "out.png", (look(0, 0, 0), look(2, 15, 1)), VERDICT)
    assert list(tmp_path.iterdir()) == []
