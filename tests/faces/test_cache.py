import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from twinverify.errors import UserError
from twinverify.faces import digests
from twinverify.faces.cache import open_cache
from twinverify.faces.catalogue import read_catalogue
from twinverify.faces.images import read_square

MakePeople = Callable[..., Path]

#: Opens the cache in a process of its own; prints how many images that process decoded itself.
OPEN = """
import os, signal, sys
from pathlib import Path
from twinverify.faces.cache import open_cache
from twinverify.faces.catalogue import read_catalogue
decoded = []
def progress(done, total):
    decoded.append(done)
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
cache = open_cache(read_catalogue(Path(sys.argv[1])), 16, Path(sys.argv[2]), progress)
print(len(decoded), int(cache.pixels.astype(int).sum()))
"""


def start(root: Path, folder: Path, die_at: int = -1) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OPEN, str(root), str(folder), str(die_at)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def caches(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("images-*") if path.suffix != ".lock")


def test_a_row_holds_the_pixels_of_its_image(make_people: MakePeople, tmp_path: Path) -> None:
    catalogue = read_catalogue(make_people("a", "b", "c"))
    cache = open_cache(catalogue, 16, tmp_path / "cache")
    assert cache.pixels.shape == (6, 3, 16, 16)
    assert cache.pixels.dtype == np.uint8
    for path in catalogue.image_paths:
        np.testing.assert_array_equal(cache.pixels[cache.row(path)], read_square(path, 16))


def test_images_are_decoded_once_and_the_progress_is_told(make_people: MakePeople, tmp_path: Path) -> None:
    catalogue = read_catalogue(make_people("a", "b"))
    told: list[tuple[int, int]] = []
    for _ in range(2):
        open_cache(catalogue, 16, tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_pixels_cannot_be_written(make_people: MakePeople, tmp_path: Path) -> None:
    cache = open_cache(read_catalogue(make_people("a", "b")), 16, tmp_path / "cache")
    with pytest.raises(ValueError, match="read-only"):
        cache.pixels[0] = 0


def test_byte_identical_images_have_equal_content(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")
    shutil.copy(root / "a" / "ad1.png", root / "a" / "again.png")
    catalogue = read_catalogue(root)
    cache = open_cache(catalogue, 16, tmp_path / "cache")
    content = {path.name: int(cache.content[cache.row(path)]) for path in catalogue.image_paths}
    assert content["ad1.png"] == content["again.png"]
    assert len(set(content.values())) == 4


@pytest.mark.parametrize("change", ["size", "image", "more"])
def test_what_changed_is_decoded_anew(change: str, make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")
    first = root / "a" / "ad0.png"
    open_cache(read_catalogue(root), 16, tmp_path / "cache")
    if change == "image":
        shutil.copy(root / "b" / "bd0.png", first)
    elif change == "more":
        make_people("c")
    catalogue = read_catalogue(root)
    size = 24 if change == "size" else 16
    cache = open_cache(catalogue, size, tmp_path / "cache")
    np.testing.assert_array_equal(cache.pixels[cache.row(first)], read_square(first, size))
    assert len(caches(tmp_path / "cache")) == 2


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember files at once; those of a test are seconds old."""
    monkeypatch.setattr(digests, "_SETTLED", -1.0)


def swap(first: Path, second: Path) -> None:
    """Exchange two files by name; each keeps its bytes and its dates."""
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def overwrite(first: Path, second: Path) -> None:
    """Exchange the bytes of two files in place, and set their dates back."""
    old = {path: (path.read_bytes(), path.stat()) for path in (first, second)}
    for path, other in ((first, second), (second, first)):
        path.write_bytes(old[other][0])
        os.utime(path, ns=(old[path][1].st_atime_ns, old[path][1].st_mtime_ns))


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("exchange", [swap, overwrite])
def test_the_pixels_follow_two_exchanged_files_of_one_size_and_date(
    exchange: Callable[[Path, Path], None], make_people: MakePeople, tmp_path: Path
) -> None:
    root = make_people("a", "b")
    first, second = root / "a" / "ad0.png", root / "b" / "bd0.png"
    first.write_bytes(first.read_bytes().ljust(1000, b"\0"))  # a PNG's reader stops at its end
    second.write_bytes(second.read_bytes().ljust(1000, b"\0"))
    for path in (first, second):
        os.utime(path, ns=(10**18, 10**18))
    before = open_cache(read_catalogue(root), 16, tmp_path / "cache")
    old = {path: np.array(before.pixels[before.row(path)]) for path in (first, second)}
    exchange(first, second)
    assert [(path.stat().st_size, path.stat().st_mtime_ns) for path in (first, second)] == 2 * [(1000, 10**18)]
    after = open_cache(read_catalogue(root), 16, tmp_path / "cache")
    np.testing.assert_array_equal(after.pixels[after.row(first)], old[second])
    np.testing.assert_array_equal(after.pixels[after.row(second)], old[first])


@pytest.mark.parametrize("change", ["move", "touch"])
def test_a_moved_or_touched_data_set_is_not_decoded_again(change: str, make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")
    old = open_cache(read_catalogue(root), 16, tmp_path / "cache")
    if change == "move":
        (tmp_path / "else").mkdir()
        root = root.rename(tmp_path / "else" / "faces")
    else:
        os.utime(root / "a" / "ad0.png", ns=(1, 1))
    decoded: list[int] = []
    catalogue = read_catalogue(root)
    new = open_cache(catalogue, 16, tmp_path / "cache", lambda done, total: decoded.append(done))
    assert decoded == []
    np.testing.assert_array_equal(new.pixels, old.pixels)
    assert [new.row(path) for path in catalogue.image_paths] == list(range(4))


def test_an_image_that_changes_while_it_is_decoded_is_not_cached(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")

    def change(done: int, total: int) -> None:
        shutil.copy(root / "b" / "bd0.png", root / "a" / "ad0.png")

    with pytest.raises(UserError, match="images changed while they were read"):
        open_cache(read_catalogue(root), 16, tmp_path / "cache", change)
    assert caches(tmp_path / "cache") == []


def test_a_refused_data_set_leaves_no_index(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")
    (root / "a" / "ad0.png").write_bytes(b"broken")
    with pytest.raises(UserError, match="not an image"):
        open_cache(read_catalogue(root), 16, tmp_path / "cache")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] in ([], [".lock"])


def test_all_broken_images_are_told_at_once_and_nothing_is_left(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b", "c")
    (root / "a" / "ad0.png").write_bytes(b"")
    (root / "b" / "bd1.png").write_bytes(b"text")
    whole = (root / "c" / "cd0.png").read_bytes()
    (root / "c" / "cd0.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as caught:
        open_cache(read_catalogue(root), 16, tmp_path / "cache")
    line = str(caught.value)
    assert "3 of 6 images cannot be read (first: a/ad0.png: empty, b/bd1.png: not an image, c/cd0.png: " in line
    assert line.endswith("Remove or restore them")
    assert "\n" not in line
    assert caches(tmp_path / "cache") == []


def test_images_to_check_are_decoded_but_not_kept(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b", "c")
    whole = read_catalogue(root)
    sealed = whole.subset(["c"]).image_paths
    cache = open_cache(whole.subset(["a", "b"]), 16, tmp_path / "cache", also_check=sealed)
    assert len(cache.pixels) == 4
    sealed[0].write_bytes(b"broken")
    with pytest.raises(UserError, match=r"1 of 6 images cannot be read \(first: c/cd0.png: not an image\)"):
        open_cache(whole.subset(["a", "b"]), 16, tmp_path / "cache", also_check=sealed)


def test_two_processes_at_once_build_it_once(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people(*"abcdefgh", images=10)
    processes = [start(root, tmp_path / "cache") for _ in range(3)]
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], answers
    decoded, sums = zip(*(out.split() for out, _ in answers), strict=True)
    assert sorted(decoded) == ["0", "0", "80"]
    assert len(set(sums)) == 1
    assert not list((tmp_path / "cache").glob("digests-*.bin.*")), "nothing is left aside"
    assert len(caches(tmp_path / "cache")) == 1


def test_a_cache_that_a_killed_process_left_half_written_is_built_anew(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people(*"abcd", images=10)
    killed = start(root, tmp_path / "cache", die_at=25)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert caches(tmp_path / "cache") == []
    assert len(list((tmp_path / "cache").glob(f".images-*.npy.{killed.pid}"))) == 1
    catalogue = read_catalogue(root)
    cache = open_cache(catalogue, 16, tmp_path / "cache")
    np.testing.assert_array_equal(cache.pixels[39], read_square(catalogue.image_paths[39], 16))
    assert not list((tmp_path / "cache").glob(".images-*"))


@pytest.mark.parametrize("kept", [0, 20, 140, None])
def test_a_damaged_cache_is_built_anew(kept: int | None, make_people: MakePeople, tmp_path: Path) -> None:
    catalogue = read_catalogue(make_people("a", "b"))
    open_cache(catalogue, 16, tmp_path / "cache")
    file = tmp_path / "cache" / caches(tmp_path / "cache")[0]
    if kept is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:kept])
    cache = open_cache(catalogue, 16, tmp_path / "cache")
    np.testing.assert_array_equal(cache.pixels[3], read_square(catalogue.image_paths[3], 16))


def test_a_full_disk_is_one_clear_line(
    make_people: MakePeople, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\); it needs 0 MiB there"):
        open_cache(read_catalogue(make_people("a", "b")), 16, tmp_path / "cache")
    assert caches(tmp_path / "cache") == []
    assert not list((tmp_path / "cache").glob(".images-*"))


def test_a_cache_folder_that_cannot_be_is_one_clear_line(make_people: MakePeople, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        open_cache(read_catalogue(make_people("a", "b")), 16, tmp_path / "file" / "cache")


def test_an_image_that_vanished_is_one_clear_line(make_people: MakePeople, tmp_path: Path) -> None:
    root = make_people("a", "b")
    catalogue = read_catalogue(root)
    (root / "a" / "ad0.png").unlink()
    with pytest.raises(UserError, match=r"1 of 4 images cannot be read \(first: a/ad0\.png: No such file"):
        open_cache(catalogue, 16, tmp_path / "cache")


@pytest.mark.parametrize("side", [9_000, 11_000, 40_000])
def test_a_file_that_claims_millions_of_pixels_is_told_without_a_warning_or_the_memory(
    side: int, make_people: MakePeople, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    root = make_people("a", "b")
    (root / "a" / "ad0.png").write_bytes(b"")
    (root / "a" / "bomb.pgm").write_bytes(f"P5 {side} {side} 255\n".encode() + b"\0" * 100)
    with pytest.raises(UserError, match=r"a/bomb\.pgm: .*too many"):
        open_cache(read_catalogue(root), 16, tmp_path / "cache")
    assert not recwarn.list
