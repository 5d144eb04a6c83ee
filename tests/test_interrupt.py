"""What signals do to a command, tried on small processes with the real signals."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from twinverify import interrupt
from twinverify.interrupt import SIGNALS, stoppable

HEAD = """
import signal, subprocess, sys, time
from twinverify import interrupt
from twinverify.interrupt import leave, quit_quietly, stoppable

def ready():
    print("ready", flush=True)

def body(stop):
    ready()
    time.sleep(30)
"""
TAIL = """
def main():
    with stoppable("go on with: again") as stop:
        body(stop)
    return 0

try:
    status = main()
except KeyboardInterrupt:
    status = 130
leave(status)
"""
#: Hangs once it was interrupted.
HANGS = """
def body(stop):
    try:
        ready()
        time.sleep(30)
    finally:
        print("closing", flush=True)
        time.sleep(30)
"""


@contextmanager
def running(code: str, head: str = HEAD, **options: object) -> Iterator["subprocess.Popen[str]"]:
    """Start a process and wait until it is ready."""
    words = [sys.executable, "-c", head + code + (TAIL if head else "")]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, **options) as process:  # type: ignore[call-overload]
        try:
            assert process.stdout.readline() == "ready\n", process.stderr.read()
            yield process
        finally:
            process.kill()


def end_of(process: "subprocess.Popen[str]", within: float = 5) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=within)
    return process.returncode, out, err


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_ends_the_block_in_order_and_tells_how_to_go_on(number: signal.Signals) -> None:
    code = """
def body(stop):
    try:
        ready()
        time.sleep(30)
    finally:
        print("closed")
"""
    with running(code) as process:
        process.send_signal(number)
        assert end_of(process) == (130, "closed\ngo on with: again\n", "")


def test_what_the_block_has_told_is_not_told_again() -> None:
    code = """
def body(stop):
    try:
        ready()
        time.sleep(30)
    finally:
        print("told")
        stop.told()
"""
    with running(code) as process:
        process.terminate()
        assert end_of(process) == (130, "told\n", "")


def test_a_second_signal_ends_it_at_once_with_all_that_it_started() -> None:
    # A grandchild that heeds no signal.
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(30)"
    code = f"""
def start():
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
    process = subprocess.Popen([sys.executable, "-c", child, {deaf!r}], stdout=subprocess.PIPE)
    process.stdout.readline()

def body(stop):
    start()
    try:
        ready()
        time.sleep(30)
    finally:
        print("closing", flush=True)
        time.sleep(30)
"""
    with running(code) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 2
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "closing\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert end_of(process, within=2) == (130, "\ngo on with: again\n", "")
        assert psutil.wait_procs(family, timeout=5)[1] == []


def test_a_second_signal_works_while_the_main_thread_is_in_a_library() -> None:
    code = """
def body(stop):
    import ctypes
    try:
        ready()
        time.sleep(30)
    finally:
        print("in C", flush=True)
        while True:  # as C++ code does
            ctypes.CDLL(None).sleep(30)
"""
    with running(code) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "in C\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert end_of(process, within=2)[0] == 130


def test_a_signal_that_comes_twice_in_a_moment_is_one() -> None:
    code = """
def body(stop):
    try:
        ready()
        time.sleep(30)
    finally:
        time.sleep(0.5)
        print("closed in order")
"""
    with running(code) as process:
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            time.sleep(0.02)
        assert end_of(process) == (130, "closed in order\ngo on with: again\n", "")


def test_what_hangs_is_ended_when_the_patience_is_over() -> None:
    with running("interrupt.PATIENCE = 0.5\n" + HANGS) as process:
        process.terminate()
        began = time.monotonic()
        assert end_of(process) == (130, "closing\n\ngo on with: again\n", "")
        assert 0.4 < time.monotonic() - began < 3


def test_the_patience_leaves_time_for_ten_seconds() -> None:
    assert 5 < interrupt.PATIENCE < 9.5


def test_a_pipe_that_nobody_empties_does_not_keep_it() -> None:
    code = """
interrupt.PATIENCE = 0.5
def fill():
    while True:
        sys.stdout.write("x" * 100_000)

def body(stop):
    try:
        ready()
        fill()
    finally:
        fill()
"""
    with running(code) as process:
        process.terminate()
        assert process.wait(timeout=5) == 130


def test_an_interrupt_that_falls_into_a_destructor_is_not_lost() -> None:
    code = """
class Slow:
    def __del__(self):
        ready()
        time.sleep(30)

def body(stop):
    slow = Slow()
    del slow
    time.sleep(30)
"""
    with running(code) as process:
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, "go on with: again\n", "")


def test_a_signal_ignored_from_the_start_stays_so() -> None:
    code = """
def body(stop):
    ready()
    time.sleep(0.5)
    print("went on")
"""
    with running("signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + code) as process:
        process.send_signal(signal.SIGHUP)
        assert end_of(process) == (0, "went on\n", "")


def test_before_the_command_begins_a_signal_ends_it_without_a_word() -> None:
    code = "quit_quietly()\nready()\ntime.sleep(30)\n"
    with running(code) as process:
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (130, "", "")


@pytest.mark.parametrize("hang", ["atexit.register(wait)", "threading.Thread(target=wait).start()"])
def test_in_the_last_moments_a_signal_ends_it_without_a_word_and_with_its_status(hang: str) -> None:
    code = f"""
import atexit, sys, threading, time
from twinverify.interrupt import leave
def wait():
    print("ready", flush=True)
    time.sleep(30)
{hang}
leave(2)
"""
    with running(code, head="") as process:
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert end_of(process) == (2, "", "")


def test_after_a_block_without_signals_all_is_as_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stoppable():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_an_error_of_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), stoppable("go on"):
        raise ZeroDivisionError
