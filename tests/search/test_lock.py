"""One process a sweep: the second is refused by name, a dead one's lock taken over, and no start breaks another's."""

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.search.lock import LOCK_FILE, locked

HOLD = """
import sys
from pathlib import Path
from twinverify.search.lock import locked
from twinverify.errors import UserError
sys.stdin.readline()
try:
    with locked(Path(sys.argv[1])):
        print("runs", flush=True)
        sys.stdin.readline()
except UserError as error:
    print(error, flush=True)
"""


@contextmanager
def processes(folder: Path, number: int) -> Iterator[list["subprocess.Popen[str]"]]:
    """Start processes that lock `folder` as soon as they are told a line, and let go of it at the next."""
    words = [sys.executable, "-c", HOLD, str(folder)]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    started = [subprocess.Popen(words, **pipes) for _ in range(number)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def tell(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    process.stdin.write("\n")


def heard(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def test_of_processes_that_start_the_same_new_sweep_at_once_one_runs_and_the_others_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    with processes(folder, 5) as started:
        for process in started:
            tell(process)
        words = [heard(process) for process in started]
        assert words.count("runs") == 1
        runner = started[words.index("runs")]
        refused = [word for word in words if word != "runs"]
        named = f"sweep mine is being run by process {runner.pid} on {socket.gethostname()}; wait for it"
        # In the first instant the winner may not have put down its name yet.
        assert all(word.startswith((named, "sweep mine is being run by another process")) for word in refused), words
        with pytest.raises(UserError, match=named), locked(folder):
            pass
        tell(runner)
        runner.wait()
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.lock"]


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    with processes(tmp_path, 1) as (other,):
        tell(other)
        assert heard(other) == "runs"
        other.kill()
        other.wait()
        assert (tmp_path / ".owner").read_text().startswith(f"process {other.pid} ")
        with locked(tmp_path):
            assert (tmp_path / ".owner").read_text().startswith(f"process {os.getpid()} ")
    assert not (tmp_path / ".owner").exists()


@pytest.mark.parametrize("damage", [b"", b"proc", b"\xff\xfe\0", b"process 12 on", b"a\nb", None], ids=str)
def test_an_owner_that_cannot_be_read_is_another_process(tmp_path: Path, damage: bytes | None) -> None:
    with locked(tmp_path):
        (tmp_path / ".owner").unlink()
        if damage is None:
            (tmp_path / ".owner").mkdir()
        else:
            (tmp_path / ".owner").write_bytes(damage)
        with pytest.raises(UserError, match="is being run by another process; wait"), locked(tmp_path):
            pass


def test_a_disk_without_room_for_the_owners_name_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with locked(tmp_path / "mine"):
        assert (tmp_path / "mine" / "sweep.lock").exists()


def test_a_file_that_was_removed_before_it_was_locked_is_not_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process that had made the folder is refused just now, and takes it back."""
    folder, lock, calls = tmp_path / "mine", fcntl.flock, []

    def late(handle: int, how: int) -> None:
        calls.append(handle)
        if len(calls) == 1:
            (folder / "sweep.lock").unlink()
            folder.rmdir()
        lock(handle, how)

    monkeypatch.setattr("fcntl.flock", late)
    with locked(folder):
        assert len(calls) == 2
        monkeypatch.undo()
        with pytest.raises(UserError, match="is being run by"), locked(folder):
            pass


def test_a_folder_that_vanishes_again_and_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("twinverify.search.lock._opened", gone)
    with pytest.raises(UserError, match="mine is removed as often as it is made"), locked(tmp_path / "mine"):
        pass


@pytest.mark.parametrize("kind", ["a file", "a file above it"])
def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, kind: str) -> None:
    (tmp_path / "runs").touch()
    folder = tmp_path / "runs" if kind == "a file" else tmp_path / "runs" / "mine"
    with pytest.raises(UserError, match=r"output .*: cannot be written \(.*\); give a folder"), locked(folder):
        pass


# ---- a start that is refused


def refused_in(folder: Path, *files: str) -> None:
    def start() -> None:
        with locked(folder):
            for file in files:
                (folder / file).touch()
            raise UserError("an image is broken")

    with pytest.raises(UserError, match="an image is broken"):
        start()


def test_a_refused_start_removes_the_folder_that_it_made_and_none_that_holds_something(tmp_path: Path) -> None:
    refused_in(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    refused_in(tmp_path / "old")
    assert (tmp_path / "old" / "sweep.lock").exists()
    refused_in(tmp_path / "begun", "journal.jsonl")
    assert sorted(path.name for path in (tmp_path / "begun").iterdir()) == ["journal.jsonl", "sweep.lock"]


def test_any_other_error_leaves_the_folder_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(tmp_path / "new"):
        raise KeyboardInterrupt
    assert (tmp_path / "new" / "sweep.lock").exists()


@pytest.mark.parametrize("refusals", [0.0, 0.5, 1.0])
def test_starts_that_are_refused_never_let_two_others_in_at_once(
    tmp_path: Path, refusals: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight threads, each with files of its own as a process has, start a new sweep over and over."""
    folder, inside, seen, lock = tmp_path / "mine", threading.Semaphore(1), Counter[str](), fcntl.flock

    def late(handle: int, how: int) -> None:
        time.sleep(0.0005)  # so that others come between opening and locking
        lock(handle, how)

    def start(number: int) -> None:
        for again in range(150):
            try:
                with locked(folder):
                    seen["two at once"] += not inside.acquire(blocking=False)
                    time.sleep(0.0002)
                    seen["lock gone"] += not (folder / "sweep.lock").exists()
                    inside.release()
                    if (number + again) % 10 < 10 * refusals:
                        raise UserError("an image is broken")
                    seen["ran"] += 1
            except UserError as error:
                seen["refused" if "broken" in str(error) else "kept out"] += 1

    monkeypatch.setattr("fcntl.flock", late)
    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen["two at once"], seen["lock gone"]) == (0, 0)
    assert seen["ran"] + seen["refused"] + seen["kept out"] == 8 * 150
    assert bool(seen["ran"]) == (refusals < 1)
    assert bool(seen["refused"]) == (refusals > 0)


def test_a_look_at_a_sweep_keeps_no_start_from_it(tmp_path: Path) -> None:
    (tmp_path / "sweep").mkdir()
    handle = os.open(tmp_path / "sweep" / LOCK_FILE, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_SH)
    looking = threading.Timer(0.03, os.close, [handle])
    looking.start()
    with locked(tmp_path / "sweep"):
        pass
    looking.join()
