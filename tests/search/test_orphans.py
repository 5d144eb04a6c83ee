"""No marked process outlives the process that started it; tried on sleeping ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from twinverify.search.orphans import MARK, end, guard, marked

SLEEPS = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
#: Starts a marked child in a session of its own, has itself guarded, and waits for its end.
GUARDED = f"""
import os, subprocess, sys, time
from pathlib import Path
from twinverify.search.orphans import MARK, guard
mark, folder = sys.argv[1:]
child = subprocess.Popen([sys.executable, "-c", {SLEEPS!r}], env=os.environ | {{MARK: mark}}, stdout=-1,
                         start_new_session=True)
child.stdout.readline()
guarded = guard(mark, Path(folder))
guarded.wait(10)
print(child.pid, flush=True)
time.sleep(60)
"""
Start = Callable[[str], psutil.Process]
#: Another run of these tests may go on beside this one.
OURS = f"test-orphans-{os.getpid()}"


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a process with a mark, which heeds no SIGTERM."""
    started = []

    def begin(mark: str) -> psutil.Process:
        words = [sys.executable, "-c", SLEEPS]
        process = subprocess.Popen(words, env=os.environ | {MARK: mark}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        started.append(process)
        return psutil.Process(process.pid)

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wait_until(true: Callable[[], bool], seconds: float = 5) -> bool:
    end_at = time.monotonic() + seconds
    while not true() and time.monotonic() < end_at:
        time.sleep(0.02)
    return true()


def test_only_the_marked_are_found_and_ended(start: Start) -> None:
    mine, too, other = (start(mark) for mark in (f"{OURS}-1-a", f"{OURS}-1-b", f"{OURS}-2-a"))
    assert {each.pid for each in marked(f"{OURS}-1-")} == {mine.pid, too.pid}
    assert end(f"{OURS}-1-", spared=[too.pid]) == []
    assert [gone(each) for each in (mine, too, other)] == [True, False, False]
    assert end(f"{OURS}-1-") == []
    assert [gone(each) for each in (mine, too, other)] == [True, True, False]


def test_without_a_mark_nobody_is_ended() -> None:
    with pytest.raises(ValueError, match="every process"):
        end("")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_guard_ends_what_a_dead_process_has_left_and_removes_its_folder(tmp_path: Path, how: int) -> None:
    folder = tmp_path / "ray"
    folder.mkdir()
    (folder / "socket").touch()
    mark = f"{OURS}-{tmp_path.name}"
    words = [sys.executable, "-c", GUARDED, mark, str(folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        time.sleep(0.2)
        lived = not gone(child) and folder.exists()
        process.send_signal(how)
        process.wait()
        assert lived
        assert wait_until(lambda: gone(child))
        assert wait_until(lambda: not folder.exists())


def test_the_guard_is_in_nobodys_tree_so_that_who_kills_the_tree_spares_it(tmp_path: Path) -> None:
    guarded = guard(OURS, tmp_path / "none")
    assert guarded.wait(timeout=10) == 0
    assert [each for each in psutil.Process().children(recursive=True) if OURS in each.cmdline()] == []
    (watching,) = [each for each in psutil.process_iter() if OURS in _words(each)]
    watching.terminate()  # a cluster that preempts a job tells all of its processes
    time.sleep(0.1)
    assert not gone(watching)
    guarded.communicate()
    assert wait_until(lambda: gone(watching))


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
