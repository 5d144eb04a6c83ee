from pathlib import Path

import pytest

from twinverify.faces import identical
from twinverify.faces.identical import identical_groups


def write(folder: Path, **contents: bytes) -> list[Path]:
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_files_with_the_same_bytes_are_grouped(tmp_path: Path) -> None:
    a, b, _, d, e, f = write(tmp_path, a=b"one", b=b"one", c=b"two", d=b"three", e=b"three", f=b"three")
    assert identical_groups(sorted(tmp_path.iterdir())) == ((a, b), (d, e, f))


@pytest.mark.parametrize("place", [0, 9_999, 19_999])
def test_files_that_differ_in_one_byte_anywhere_are_not_identical(place: int, tmp_path: Path) -> None:
    other = bytearray(20_000)
    other[place] = 1
    assert identical_groups(write(tmp_path, a=bytes(20_000), b=bytes(other))) == ()


def test_empty_files_are_broken_and_not_alike(tmp_path: Path) -> None:
    assert identical_groups(write(tmp_path, a=b"", b=b"")) == ()


def test_files_of_a_unique_size_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    probe = identical._probe
    monkeypatch.setattr(identical, "_probe", lambda path: opened.append(path) or probe(path))
    identical_groups(write(tmp_path, a=b"1", b=b"22", c=b"333", d=b"444"))
    assert [path.name for path in opened] == ["c", "d"]
