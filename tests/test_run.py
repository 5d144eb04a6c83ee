"""How a command ends: its status, its one line, and its output however it is read."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from twinverify.arguments import run
from twinverify.errors import UserError
from twinverify.interrupt import SIGNALS


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    """A process that has run a command is about to end; this one is not."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def interrupt(_: object) -> int:
    raise KeyboardInterrupt


def refuse(_: object) -> int:
    raise UserError("what,\nwhere")


@pytest.mark.parametrize(("main", "status"), [(lambda _: 0, 0), (lambda _: 1, 1), (interrupt, 130), (refuse, 2)])
def test_a_command_ends_with_its_status(main: Any, status: int) -> None:
    with pytest.raises(SystemExit) as ended:
        run(main)
    assert ended.value.code == status


def test_an_error_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(refuse)
    assert tuple(capsys.readouterr()) == ("", "twinverify: what, where\n")


def unread(body: str, *, close: str) -> "subprocess.CompletedProcess[str]":
    """Run a command whose output or errors nobody reads."""
    code = f"import sys\nfrom twinverify.arguments import run\ndef main(argv):\n{body}\nrun(main)\n"
    shell = f'exec 3>&1; {{ {sys.executable} -c "$CODE"; echo status $? >&3; }} {close}'
    environment = os.environ | {"CODE": code, "PYTHONUNBUFFERED": ""}
    return subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment, timeout=30)


WAITS = "    import time; time.sleep(0.3)\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (WAITS + "    print('x' * 100)\n    return 0", 0),
        (WAITS + "    print('x' * 100)\n    return 1", 1),
        (WAITS + "    sys.stdout.write('unflushed')\n    raise KeyboardInterrupt", 130),
    ],
)
def test_a_closed_pipe_changes_no_status_and_shows_no_traceback(body: str, status: int) -> None:
    done = unread(body, close="| true")
    assert (done.stdout, done.stderr) == (f"status {status}\n", "")


def test_an_error_that_nobody_can_read_keeps_its_status() -> None:
    body = "    from twinverify.errors import UserError\n" + WAITS + "    raise UserError('x')"
    assert unread(body, close="2>&1 | true").stdout == "status 2\n"


def test_a_command_without_any_output_ends_well() -> None:
    body = "    print('x'); print('y', file=sys.stderr)\n    return 0"
    assert unread(body, close=">&- 2>&-").stdout == "status 0\n"
