"""The watch itself: that it sees what it has to see, so that seeing nothing means something."""

import socket
import sys
from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.silence import check as checking
from twinverify.silence.check import Seen, Step, check, knock
from twinverify.silence.told import verdict_line, watch_line
from twinverify.silence.watch import may_trace, plain_environment, watched

WAYS = [
    pytest.param(True, marks=pytest.mark.skipif(not may_trace(), reason="strace is not here, or may not watch")),
    False,
]


@pytest.mark.parametrize("by_strace", WAYS)
def test_an_outside_call_and_a_port_open_to_everybody_are_seen(tmp_path: Path, by_strace: bool) -> None:
    left = {(call.does, call.address) for call in knock(tmp_path, by_strace=by_strace) if not call.stays}
    assert ("bind", "0.0.0.0") in left
    # Without a way out, as in a container, the call fails: strace sees it all the same.
    assert by_strace is False or ("connect", "192.0.2.1") in left


@pytest.mark.parametrize("by_strace", WAYS)
def test_what_a_process_started_by_the_command_does_is_seen(tmp_path: Path, by_strace: bool) -> None:
    child = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); time.sleep(1)"
    words = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    with watched(words, tmp_path, tmp_path / "output.txt", trace=by_strace) as watch:
        assert watch.wait(120) == 0
        seen = [call for call in watch.calls() if (call.does, call.address) == ("bind", "127.0.0.1")]
    assert seen
    assert all(call.stays for call in seen)


@pytest.mark.parametrize("by_strace", WAYS)
def test_what_still_runs_at_the_end_is_ended(tmp_path: Path, by_strace: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        child = f"import socket; s = socket.create_connection({door.getsockname()!r}); s.recv(1)"
        words = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
        with watched(words, tmp_path, tmp_path / "output.txt", trace=by_strace) as watch:
            knocking, _ = door.accept()
            assert watch.running()
        assert not watch.running()
        with knocking:
            assert knocking.recv(1) == b""


def test_what_makes_libraries_silent_is_not_in_a_watched_commands_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CI", "GITHUB_ACTIONS", "PYTEST_CURRENT_TEST", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY")
    for name in (*names, "RAY_USAGE_STATS_ENABLED", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    told = plain_environment()
    assert not [name for name in told if name.startswith(("CI", "GITHUB", "PYTEST", "DO_NOT", "MLFLOW", "RAY", "HF"))]
    assert told["HTTPS_PROXY"] == "http://proxy"


@pytest.mark.skipif(not may_trace(), reason="strace is not here, or may not watch")
def test_a_command_that_calls_home_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python reads it at the start of every process.
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ns = socket.socket(type=socket.SOCK_DGRAM)\n"
        "try:\n    s.connect(('192.0.2.7', 53))\nexcept OSError:\n    pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    seen = check(tmp_path, by_strace=True, steps=[Step(("compare", "--help"))], told=print)
    line = verdict_line(seen)
    assert line.startswith("NOT ONLY THIS MACHINE (1 DNS look-up): python")
    assert line.endswith("connect 192.0.2.7 port 53 (compare --help)")


def test_a_watch_that_sees_nothing_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_KNOCK", "pass")
    with pytest.raises(UserError, match="the list of sockets does not show what a process calls here"):
        check(tmp_path, by_strace=False, steps=[], told=print)


def test_a_command_that_fails_proves_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"check=true: python -m twinverify.verify .* ended with status 2: .*model= is missing"
    ):
        check(tmp_path, by_strace=False, steps=[Step(("verify", "nobody.png", "b.png"))], told=print)


def test_a_command_that_does_not_end_proves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_SECONDS", 0.1)
    monkeypatch.setattr(checking, "_KNOCK", "import time; time.sleep(600)")
    with pytest.raises(UserError, match=r"takes over 0\.1 s"):
        knock(tmp_path, by_strace=False)


def test_it_says_how_it_was_watched_and_what_that_cannot_see() -> None:
    assert "every connect, bind and send" in watch_line(Seen(by_strace=True))
    assert "Not seen: calls that fail or are over sooner" in watch_line(Seen(by_strace=False))
