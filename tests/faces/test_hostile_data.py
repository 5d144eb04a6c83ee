"""A data set made by somebody who means ill: nothing outside is read, nothing fills the memory, no name steers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from twinverify.errors import UserError
from twinverify.faces.catalogue import read_catalogue
from twinverify.faces.images import BrokenImageError, check_readable, read_square

STEERING = "a\x1b]0;owned\x07\nb"


@pytest.mark.parametrize("table", ["pairs.json", "TwinsPairTable.csv", "dataset_infor.json", "train_twin_pairs.json"])
def test_a_table_that_is_a_link_to_a_file_elsewhere_is_not_read(make_people: Callable[..., Path], table: str) -> None:
    root = make_people("a", "b", "c", "d")
    secret = root.parent / "secret.json"
    secret.write_text(json.dumps([["a", "the canary"]]))
    (root / table).symlink_to(secret)

    with pytest.raises(UserError, match=f"{table} is a link that leaves the folder") as refused:
        read_catalogue(root)
    assert "canary" not in str(refused.value)


def test_a_table_that_is_a_link_within_the_folder_is_taken(make_people: Callable[..., Path]) -> None:
    root = make_people("a", "b", "c", "d")
    (root / "all").mkdir()
    (root / "all" / "pairs.txt").write_text(json.dumps([["a", "b"]]))
    (root / "pairs.json").symlink_to(root / "all" / "pairs.txt")
    assert read_catalogue(root).twin_pairs == (("a", "b"),)


@pytest.mark.parametrize("size", [(12_000, 1), (1, 12_000), (9_000, 3_000)])
def test_a_strip_that_would_be_padded_to_a_huge_square_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("L", size).save(tmp_path / "strip.png")
    for read in (check_readable, lambda path: read_square(path, 32)):
        with pytest.raises(BrokenImageError, match="pixels are too many"):
            read(tmp_path / "strip.png")


def test_long_strips_up_to_that_are_read(tmp_path: Path) -> None:
    Image.new("L", (3_000, 2)).save(tmp_path / "strip.png")
    assert read_square(tmp_path / "strip.png", 32).shape == (3, 32, 32)


@pytest.mark.parametrize("header", [b"P6 99999999 99999999 255\n", b"P5 0 0 255\n", b"P5 -3 4 255\n"])
def test_a_header_that_lies_is_a_broken_image(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "x.pgm").write_bytes(header + b"\0" * 50)
    with pytest.raises(BrokenImageError):
        read_square(tmp_path / "x.pgm", 32)


def test_names_that_steer_a_terminal_are_told_on_one_line_as_what_they_are(make_people: Callable[..., Path]) -> None:
    root = make_people("a", "b", "c", "d", "e", STEERING, where=f"set{STEERING}")
    (root / STEERING / f"{STEERING}.png").write_bytes(b"no image")
    words = [sys.executable, "-m", "twinverify.train", f"data={root}", "tracking=off", f"cache={root.parent / 'cache'}"]

    done = subprocess.run(words, cwd=root.parent, capture_output=True, text=True, timeout=300)

    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert r"\x1b]0;owned\x07" in done.stderr
    assert not set(done.stdout + done.stderr) & set("\x1b\x07")
