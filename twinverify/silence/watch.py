"""A command with all that it starts, watched: by `strace`, or where that may not watch, by looking again and again."""

import os
import shutil
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from twinverify.silence.calls import Call
from twinverify.silence.trace import SWITCHES, read_trace

#: Between two looks at the sockets.
_SECONDS: Final = 0.2
#: Names of the environment, or their beginnings, under which libraries keep silent by themselves or are told to.
SILENCING: Final = (
    *("CI", "GITHUB_", "GITLAB_", "CIRCLECI", "JENKINS", "TRAVIS", "TF_BUILD", "BITBUCKET", "CODEBUILD", "BUILDKITE"),
    *("TEAMCITY", "CLOUD_RUN", "RUNBOT", "PYTEST", "MLFLOW_", "RAY_", "TUNE_", "DO_NOT_TRACK", "HF_"),
)


def may_trace() -> bool:
    """Say whether strace is here, new enough, and allowed to watch a process."""
    words = ["strace", *SWITCHES, "-o", os.devnull, "--", "true"]
    if shutil.which("strace") is None:
        return False
    return subprocess.run(words, capture_output=True, timeout=60).returncode == 0


def plain_environment() -> dict[str, str]:
    """Give the environment without what makes libraries silent: else nothing would be proved of the command."""
    return {name: value for name, value in os.environ.items() if not name.startswith(SILENCING)}


@contextmanager
def watched(words: Sequence[str], folder: Path, output: Path, *, trace: bool) -> "Iterator[Watch]":
    """Run a command in an environment like a user's, watched; what still runs at the block's end is ended.

    Args:
        words: the command.
        folder: where it runs.
        output: the file that takes what it prints; a trace stands beside it.
        trace: by strace; else by looking.
    """
    with output.open("wb") as printed:
        number = printed.fileno()
        watch: Watch = (
            _Traced(words, folder, number, output.with_suffix(".trace")) if trace else _Looked(words, folder, number)
        )
    try:
        yield watch
    finally:
        watch.end()


class Watch(ABC):
    """A command that is being watched."""

    def __init__(self, words: Sequence[str], folder: Path, printed: int) -> None:
        """Start the command.

        Args:
            words: the command.
            folder: where it runs.
            printed: the file that takes what it prints.
        """
        nowhere, both = subprocess.DEVNULL, subprocess.STDOUT
        environment = plain_environment()
        self._process = subprocess.Popen(words, cwd=folder, env=environment, stdin=nowhere, stdout=printed, stderr=both)

    @abstractmethod
    def calls(self) -> Counter[Call]:
        """Give what was seen of a command that has ended."""

    def stop(self) -> None:
        """Ask the command itself to end (SIGTERM)."""
        self._process.terminate()

    def running(self) -> bool:
        """Say whether it runs."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        """Wait until the command, and under strace all that it started, has ended; gives its exit status."""
        return self._process.wait(seconds)

    def end(self) -> None:
        """Have nothing of it run any more."""
        if self.running():
            family = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
            for each in family:
                with suppress(psutil.Error):
                    each.kill()
            self._process.wait()


class _Traced(Watch):
    """Sees each call of each process and thread, those that fail as well."""

    def __init__(self, words: Sequence[str], folder: Path, printed: int, trace: Path) -> None:
        self._trace = trace
        super().__init__(["strace", *SWITCHES, "-o", str(trace), "--", *words], folder, printed)

    def stop(self) -> None:
        # strace does not hear it; nor is anybody there to hear it where the command has ended already.
        with suppress(psutil.NoSuchProcess):
            for each in psutil.Process(self._process.pid).children():
                each.terminate()

    def calls(self) -> Counter[Call]:
        with self._trace.open(encoding="utf-8", errors="replace") as lines:
            return read_trace(lines)


class _Looked(Watch):
    """Looks at the sockets of all processes five times a second: what is shorter it may miss."""

    def __init__(self, words: Sequence[str], folder: Path, printed: int) -> None:
        super().__init__(words, folder, printed)
        self._sockets: set[tuple[int, Call]] = set()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    def calls(self) -> Counter[Call]:
        self._looking.join()
        return Counter(call for _, call in self._sockets)

    def _look(self) -> None:
        # Who was found once is looked at when it is nobody's child any more, too.
        family: dict[int, psutil.Process] = {}
        while self.running():
            with suppress(psutil.Error):
                main = psutil.Process(self._process.pid)
                family |= {each.pid: each for each in (main, *main.children(recursive=True))}
            for each in family.values():
                with suppress(psutil.Error, OSError):
                    self._sockets |= {(each.pid, call) for call in _sockets_of(each)}
            time.sleep(_SECONDS)


def _sockets_of(process: psutil.Process) -> Iterator[Call]:
    name = process.name()
    for each in process.net_connections("all"):
        if isinstance(each.laddr, str):
            if each.laddr:
                yield Call(name, "bind", "unix", each.laddr)
            continue
        if each.raddr:
            yield Call(name, "connect", "internet", each.raddr.ip, each.raddr.port)
        elif each.laddr:
            yield Call(name, "bind", "internet", each.laddr.ip, each.laddr.port)
