"""A command with all the processes that it starts, killed whole or in part, and what outlives it. Linux only.

Whatever a command starts, and whoever adopts it, stays below this process (PR_SET_CHILD_SUBREAPER), so nothing that
outlives its parent goes unseen, and nothing is left behind.
"""

import ctypes
import os
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import psutil

Target = Literal["tree", "driver", "worker"]
#: What lives so many seconds longer than its driver is an orphan.
PATIENCE_S = 10.0
_PR_SET_CHILD_SUBREAPER = 36
#: Those whose end `subprocess` waits for.
_STARTED: set[int] = set()


class Command:
    """A command that runs, its output in a file."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it in `folder`."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                words, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        self._driver = psutil.Process(self._process.pid)
        _STARTED.add(self._driver.pid)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def last_words(self) -> str:
        """Give the last line that it wrote."""
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return f"{self.log.name}: status {self.status}: {lines[-1][:300] if lines else 'no word'}"

    def kill(self, target: Target, rng: random.Random) -> tuple[Target, list[psutil.Process]]:
        """Kill what `target` says, the whole tree where there is no worker yet.

        Returns:
            What was killed, and what is left without its driver.
        """
        workers = [process for process in living(self._driver) if _is_worker(process)]
        if target == "worker" and workers:
            rng.choice(workers).kill()
            return "worker", []
        if target == "driver":
            family = living(self._driver)
            self._process.kill()
            self._process.wait()
            return "driver", family
        # Whoever has been adopted as well: a power cut spares nobody.
        kill_below(psutil.Process())
        self._process.wait()
        return "tree", []


class Watch:
    """Looks after processes whose driver is dead: how long they live, and which are orphans."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self.orphans: list[str] = []
        #: The longest that one lived, in seconds.
        self.outlived = 0.0
        self._watched: list[tuple[float, psutil.Process]] = []

    def add(self, processes: Sequence[psutil.Process]) -> None:
        """Look after processes whose driver has died now."""
        self._watched += [(time.monotonic(), process) for process in processes]

    def look(self) -> None:
        """See who is alive; who is so for too long is noted and killed."""
        _reap()
        now = time.monotonic()
        alive = [(died, process) for died, process in self._watched if _lives(process)]
        for died, process in alive:
            self.outlived = max(self.outlived, now - died)
            if now - died > PATIENCE_S:
                self._note(process)
        self._watched = [(died, process) for died, process in alive if now - died <= PATIENCE_S]

    def settle(self) -> None:
        """Wait until all that is left below this process has gone, or has been noted and killed."""
        self.add(living(psutil.Process()))
        while self._watched:
            self.look()
            time.sleep(0.05)

    def _note(self, process: psutil.Process) -> None:
        with suppress(psutil.NoSuchProcess):
            name = " ".join(process.cmdline())[:80].strip()
            # A worker without work asks whether init is its parent now; here it never is.
            if name != "ray::IDLE":
                self.orphans.append(name)
            process.kill()


def end_all() -> None:
    """Kill everything that this process has started and that lives."""
    kill_below(psutil.Process())
    _reap()


def kill_below(root: psutil.Process) -> None:
    """Kill all below a process, as a power cut does: nobody lives to see another's death."""
    family: list[psutil.Process] = []
    # Frozen from the top down, nobody starts another one unseen.
    while new := [process for process in living(root) if process not in family]:
        for process in new:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        family += new
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=PATIENCE_S)


def living(root: psutil.Process) -> list[psutil.Process]:
    """Give all below a process, but for those dead and not yet collected."""
    try:
        return [process for process in root.children(recursive=True) if _lives(process)]
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        name = "".join(process.cmdline()[:1]).strip()
        # Ray's agents are servers: with one of them, all of Ray dies.
        return name.startswith("ray::") and not name.endswith("Agent")
    return False


def _reap() -> None:
    """Collect the dead that were adopted."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.status() == psutil.STATUS_ZOMBIE and child.pid not in _STARTED:
                os.waitpid(child.pid, os.WNOHANG)
