"""Files that are whole or not there, and errors of the disk told as such."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from twinverify import durable
from twinverify.durable import aside, disk_trouble, leftovers, remove, set_aside, told_if_disk_fails, write_text
from twinverify.errors import UserError

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(*_: Any, **__: Any) -> None:
    raise FULL


def test_a_file_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    for text in ("long " * 100, "short ü\n"):
        write_text(tmp_path / "best.yaml", text)
        assert (tmp_path / "best.yaml").read_text(encoding="utf-8") == text
    assert names(tmp_path) == ["best.yaml"]


def test_a_folder_comes_whole_too(tmp_path: Path) -> None:
    with aside(tmp_path / "faces") as temporary:
        (temporary / "a").mkdir(parents=True)
        (temporary / "a" / "1.png").write_bytes(b"x")
        assert names(tmp_path) == [f".faces.{os.getpid()}"]
    assert (tmp_path / "faces" / "a" / "1.png").read_bytes() == b"x"
    assert names(tmp_path) == ["faces"]


def test_a_folder_takes_the_place_of_another_whole(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with aside(tmp_path / "folder") as temporary:
            temporary.mkdir()
            (temporary / content).write_text(content)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["second"]


def test_a_folder_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "first").touch()
    replace = Path.replace

    def refused(self: Path, target: Path) -> Path:
        if self.name == f".folder.{os.getpid()}":
            raise OSError(errno.EACCES, "no")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(OSError, match="no"), aside(tmp_path / "folder") as temporary:
        temporary.mkdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "first"]


def test_every_file_and_folder_is_synced_before_the_rename_and_the_name_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def sync(handle: int) -> None:
        told.append(Path(f"/proc/self/fd/{handle}").readlink().name)

    monkeypatch.setattr("os.fsync", sync)
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda old, new: (told.append("renamed"), real(old, new)))
    with aside(tmp_path / "faces") as temporary:
        (temporary / "a").mkdir(parents=True)
        (temporary / "a" / "1.png").write_bytes(b"x")
    assert told == ["1.png", "a", f".faces.{os.getpid()}", "renamed", tmp_path.name]


@pytest.mark.parametrize("call", ["os.fsync", "replace", "write_text"])
def test_a_write_that_fails_leaves_the_old_file_and_no_half_one_and_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "best.yaml"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(call if call.startswith("os.") else f"pathlib.Path.{call}", fail)
        with pytest.raises(OSError, match="No space left") as caught:
            write_text(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["best.yaml"]


def test_an_interruption_leaves_the_old_file_and_no_half_one(tmp_path: Path) -> None:
    write_text(tmp_path / "x", "old")

    def interrupted() -> None:
        with aside(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="I/O error") as caught, aside(tmp_path / "x"):
        raise OSError(errno.EIO, "I/O error", "/data/a.jpg")
    assert caught.value.filename == "/data/a.jpg"


def test_what_a_killed_process_leaves_is_found_by_its_name_alone(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from twinverify.durable import aside\n"
        "with aside(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "best.yaml")])
    assert killed.wait(timeout=60) == -signal.SIGKILL
    for name in (".best.yaml", ".best.yaml.x1", "best.yaml.7", ".other.7", ".sweep.yaml.7"):
        (tmp_path / name).touch()
    found = leftovers(tmp_path, ("best.yaml", "sweep.yaml"))
    assert [path.name for path in found] == [f".best.yaml.{killed.pid}", ".sweep.yaml.7"]
    assert leftovers(tmp_path / "absent", ("best.yaml",)) == []
    for path in (*found, tmp_path / "absent"):
        remove(path)
    assert names(tmp_path) == [".best.yaml", ".best.yaml.x1", ".other.7", "best.yaml.7"]


def test_a_kill_between_the_two_renames_leaves_the_old_folder_where_it_is_found(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from twinverify.durable import aside\n"
        "real = Path.replace\n"
        "def replace(self, target):\n"
        "    if target.name == 'best': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, target)\n"
        "Path.replace = replace\n"
        "with aside(Path(sys.argv[1])) as temporary:\n"
        "    temporary.mkdir()"
    )
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "first").touch()
    killed = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "best")])
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert not (tmp_path / "best").exists()
    [old] = set_aside(tmp_path / "best")
    assert names(old) == ["first"]


def test_of_several_folders_set_aside_the_newest_is_the_last(tmp_path: Path) -> None:
    for name, age in ((".best.old.7", 100), (".best.old.30", 300), (".best.old.4", 200), (".best.9", 1)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (10_000 - age, 10_000 - age))
    assert [path.name for path in set_aside(tmp_path / "best")] == [".best.old.30", ".best.old.4", ".best.old.7"]
    assert set_aside(tmp_path / "none" / "best") == []


def test_a_folder_is_replaced_where_a_killed_process_had_the_same_number(tmp_path: Path) -> None:
    left = tmp_path / f".folder.old.{os.getpid()}"
    for place in (left, tmp_path / "folder"):
        place.mkdir()
        (place / "old").touch()
    with aside(tmp_path / "folder") as temporary:
        temporary.mkdir()
        (temporary / "new").touch()
    assert names(tmp_path) == ["folder"]
    assert names(tmp_path / "folder") == ["new"]


# ---- what the disk says


def wrapped(inner: BaseException, how: str) -> BaseException:
    try:
        try:
            raise inner
        except BaseException as error:
            if how == "cause":
                raise RuntimeError("outer") from error
            if how == "none":
                raise UserError("cache: cannot be written") from None
            raise RuntimeError("outer")  # noqa: B904
    except Exception as outer:
        return outer


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_the_disks_errors_are_known_by_their_number(code: int) -> None:
    assert disk_trouble(OSError(code, "x")) == os.strerror(code)


@pytest.mark.parametrize("how", ["cause", "context", "none"])
def test_the_disks_errors_are_known_behind_another_error(how: str) -> None:
    assert disk_trouble(wrapped(OSError(errno.ENOSPC, "x"), how)) == os.strerror(errno.ENOSPC)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, "x"),
        PermissionError(errno.EACCES, "x"),
        ValueError("28"),
        RuntimeError("CUDA error 28"),
        None,
        wrapped(ValueError("x"), "cause"),
    ],
)
def test_other_errors_are_not_the_disks(error: BaseException | None) -> None:
    assert disk_trouble(error) is None


def test_an_error_that_stands_behind_itself_is_looked_at_once() -> None:
    error = ValueError("x")
    error.__cause__ = error
    assert disk_trouble(error) is None


def test_safetensors_words_for_a_full_disk_become_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left on device") as caught, aside(tmp_path / "last.safetensors"):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert caught.value.filename == str(tmp_path / "last.safetensors")


def test_sqlites_words_for_a_full_disk_are_understood() -> None:
    assert disk_trouble(RuntimeError("(sqlite3.OperationalError) database or disk is full")) == os.strerror(28)


def test_a_full_disk_is_one_line_that_names_the_file_and_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UserError) as caught, told_if_disk_fails():
        write_text(tmp_path / "best.yaml", "new")
    line = "cannot be written (No space left on device); make room and continue the sweep: nothing is lost"
    assert str(caught.value) == f"{tmp_path / 'best.yaml'}: {line}"
    assert disk_trouble(caught.value) is not None


def test_a_file_that_the_error_does_not_name_is_named_by_the_caller_and_so_is_the_work(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^{tmp_path}: .*continue the training"):  # noqa: SIM117
        with told_if_disk_fails(tmp_path, work="training"):
            raise FULL


@pytest.mark.parametrize(
    "error", [ValueError("x"), PermissionError(errno.EACCES, "x"), UserError("x"), KeyboardInterrupt()]
)
def test_all_other_errors_go_on_as_they_are(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, told_if_disk_fails():
        raise error
    assert caught.value is error


def test_nothing_heavy_is_needed() -> None:
    code = "import sys, twinverify.durable; print([name for name in ('torch', 'numpy') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
    assert durable.__doc__
