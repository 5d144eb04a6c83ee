import hashlib
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.faces import digests
from twinverify.faces.digests import file_digests


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember files at once; those of a test are seconds old."""
    monkeypatch.setattr(digests, "_SETTLED", -1.0)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "data").mkdir()
    (tmp_path / "cache").mkdir()
    paths = [tmp_path / "data" / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100_000)
    return paths


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give a list that gets the name of each file that is read."""
    names: list[str] = []
    real = digests._hash

    def spied(path: Path) -> Any:
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(digests, "_hash", spied)
    return names


def look(files: list[Path]) -> tuple[bytes, ...]:
    """Ask for the digests, and have them remembered."""
    found = file_digests(files[0].parent, files, files[0].parents[1] / "cache")
    found.remember()
    return found.digests


def truth(files: list[Path]) -> tuple[bytes, ...]:
    return tuple(hashlib.sha256(path.read_bytes()).digest() for path in files)


def index_of(files: list[Path]) -> Path:
    (index,) = (files[0].parents[1] / "cache").iterdir()
    return index


def test_a_digest_is_the_sha256_of_the_bytes_and_read_once(files: list[Path], read: list[str]) -> None:
    assert look(files) == truth(files)
    assert sorted(read) == [path.name for path in files]
    assert look(files) == truth(files)
    assert len(read) == 5


@pytest.mark.parametrize("change", ["bytes", "place", "date", "copy"])
def test_only_a_changed_file_is_read_again(change: str, files: list[Path], read: list[str]) -> None:
    look(files)
    read.clear()
    target, was = files[2], files[2].stat()
    if change == "bytes":
        target.write_bytes(b"x" * 100_000)
        os.utime(target, ns=(was.st_atime_ns, was.st_mtime_ns))
    elif change == "place":
        other = target.with_name("other")
        other.write_bytes(b"y" * 100_000)
        os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
        other.replace(target)
    elif change == "date":
        os.utime(target, ns=(1, 1))
    else:
        files.append(target.with_name("9.png"))
        files[-1].write_bytes(target.read_bytes())
    assert look(files) == truth(files)
    assert read == [files[-1].name if change == "copy" else "2.png"]


def test_a_file_that_changed_a_moment_ago_is_not_trusted_yet(
    files: list[Path], read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_SETTLED", 3600.0)
    look(files)
    look(files)
    assert len(read) == 10


@pytest.mark.parametrize("damage", ["empty", "cut", "cut by an entry", "flipped", "text", "gone"])
def test_a_damaged_index_is_made_anew(damage: str, files: list[Path], read: list[str]) -> None:
    look(files)
    index = index_of(files)
    whole = index.read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 1
    told = {"empty": b"", "cut": whole[:-7], "cut by an entry": whole[:-48], "flipped": bytes(flipped), "text": b"{}"}
    index.unlink() if damage == "gone" else index.write_bytes(told[damage])
    assert look(files) == truth(files)
    assert len(read) == 10
    assert look(files) == truth(files)
    assert len(read) == 10


def test_the_index_forgets_files_that_are_gone(files: list[Path]) -> None:
    look(files)
    size = index_of(files).stat().st_size
    look(files[:2])
    assert index_of(files).stat().st_size == size - 3 * 48


def test_an_index_that_cannot_be_written_is_done_without(files: list[Path], read: list[str]) -> None:
    (files[0].parents[1] / "cache").rmdir()
    assert look(files) == truth(files) == look(files)
    assert len(read) == 10


def test_files_that_cannot_be_read_are_told_at_once(files: list[Path]) -> None:
    files[1].unlink()
    files[3].unlink()
    files[3].mkdir()
    with pytest.raises(
        UserError, match=r"2 of 5 images cannot be read \(first: 1.png: No such file.*, 3.png: Is a dir"
    ):
        look(files)


def _look_often(files: list[Path], times: int) -> bool:
    digests._SETTLED = -1.0  # type: ignore[misc]
    expected = truth(files)
    return all(look(files if number % 2 else files[:3])[:3] == expected[:3] for number in range(times))


def test_processes_at_once_never_spoil_the_index(files: list[Path], read: list[str]) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_look_often, [(files, 200)] * 3) == [True] * 3
    look(files)
    read.clear()
    assert look(files) == truth(files)
    assert read == []


def test_a_warm_look_at_a_small_set_takes_milliseconds(files: list[Path]) -> None:
    many = [files[0].with_name(f"{number:03d}.png") for number in range(400)]
    for path in many:
        path.write_bytes(path.name.encode())
    look(many)
    took = []
    for _ in range(5):
        start = time.perf_counter()
        look(many)
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1
