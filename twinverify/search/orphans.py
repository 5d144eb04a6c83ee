"""No process of a sweep outlives it: Ray's servers and workers bear its mark, and a guard ends them when it has died.

Ray's own ways leave a killed sweep's worker alive to the end of its epoch (2 s and more: it could still write a
checkpoint), and its agents for a minute. The guard is a file that runs by itself, so that it is there in milliseconds.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

#: Stands in the environment of all that Ray starts.
MARK: Final = "TWINVERIFY_SWEEP"
_SECONDS: Final = 10.0


def marked(beginning: str) -> list[psutil.Process]:
    """Give the processes of this user whose mark begins so; this process and what it runs under are none of them."""
    if not beginning:
        raise ValueError("without a mark, every process of this user would be found")
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return [each for each in psutil.process_iter() if each.pid not in ours and _mark(each).startswith(beginning)]


def end(beginning: str, spared: Collection[int] = ()) -> list[int]:
    """SIGKILL the processes whose mark begins so, and those that they still start; gives the ids of any that remain."""
    give_up = time.monotonic() + _SECONDS
    while found := [each for each in marked(beginning) if each.pid not in spared]:
        if time.monotonic() > give_up:
            return [each.pid for each in found]
        for each in found:
            with suppress(psutil.Error):
                each.kill()
        time.sleep(0.01)
    return []


def guard(mark: str, folder: Path) -> "subprocess.Popen[bytes]":
    """Start what ends the processes with this mark, and removes `folder`, once this process is gone.

    Returns:
        What is to be waited for, briefly: the guard itself is its child, and in nobody's tree. It stands down when the
        standard input is closed.
    """
    # -P: this folder's modules are not to be found in place of Python's own.
    words = [sys.executable, "-P", __file__, mark, str(folder)]
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=nowhere, stderr=nowhere, cwd="/", start_new_session=True
    )


def _mark(process: psutil.Process) -> str:
    try:
        return str(process.environ().get(MARK, ""))
    except (psutil.Error, OSError):  # gone, a zombie, or another user's
        return ""


def _watch(mark: str, folder: str) -> None:
    # A cluster's preemption signals every process of the job.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    # Ends when all ends of the pipe but ours are closed: the kernel does that for a process that dies.
    sys.stdin.buffer.read()
    end(mark)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _watch(*sys.argv[1:])
