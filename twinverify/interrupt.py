"""Ctrl-C, SIGTERM (a cluster's preemption) and SIGHUP (a closed terminal) end a command in order, and in any case soon.

The first raises KeyboardInterrupt, so that all is closed as it should be. From then on a second one, or the end of the
patience, ends the process and all that it started at once. A thread of its own sees to that, told by the kernel's
signal and not by Python's main thread, which may hang in a library.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, Final, NoReturn

from twinverify.streams import flush, say

INTERRUPTED: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Seconds from the first signal to the end, whatever hangs.
PATIENCE: Final = 9.0
#: Seconds in which a signal that comes again is the same one: a terminal that closes sends SIGHUP twice (the kernel and
#: the shell), and a wrapper hands on what its whole group has got.
_ONE_AND_THE_SAME: Final = 0.25
_ENDED, _SWALLOWED = b"\0", b"\xff"


def quit_quietly() -> None:
    """Let a signal end the process without a word: for the seconds of imports, in which there is nothing to lose."""
    _answer(lambda *_: os._exit(INTERRUPTED))


def leave(status: int) -> NoReturn:
    """End the process with `status`, an interrupted one with 130; no signal in these last moments shows a traceback."""
    if not Stop.came:
        _answer(lambda *_: os._exit(status))
    for stream in (sys.stdout, sys.stderr):
        flush(stream)
    if Stop.came:
        # What libraries do at Python's exit may hang, and nothing is left that needs it.
        os._exit(INTERRUPTED)
    sys.exit(status)


@contextmanager
def stoppable(farewell: Callable[[], str] | str = "") -> Iterator["Stop"]:
    """Have the first signal raise KeyboardInterrupt inside the block, and end the process within `PATIENCE` of it.

    That holds for the rest of the process, beyond the block. A signal that the process was started to ignore (nohup)
    stays ignored.

    Args:
        farewell: the line that tells how to continue; printed where the block ends by KeyboardInterrupt, and where the
            process is ended at once.

    Yields:
        The stop, to be told when that line is on the screen already.
    """
    stop = Stop(farewell)
    stop.begin()
    try:
        yield stop
    except KeyboardInterrupt:
        stop.say_farewell()
        raise
    finally:
        stop.end()


class Stop:
    """Waits for signals."""

    #: Whether a signal has come in this process.
    came = False

    def __init__(self, farewell: Callable[[], str] | str) -> None:
        """Be ready, but heed no signal yet."""
        self._farewell = farewell
        self._main = threading.get_ident()
        self._before: dict[signal.Signals, Any] = {}
        self._again = False
        self._bell, self._button = os.pipe()
        self._watcher = threading.Thread(target=self._watch, name="signals", daemon=True)

    def told(self) -> None:
        """Note that the farewell has been printed."""
        self._farewell = ""

    def say_farewell(self) -> None:
        """Print the farewell, once."""
        line, self._farewell = self._line(), ""
        if line:
            say(line, sys.stdout)

    def begin(self) -> None:
        """Heed signals from now on; in the main thread only."""
        # Now: in a signal's moment the import could meet itself half done.
        import psutil  # noqa: F401

        os.set_blocking(self._button, False)
        self._wakeup = signal.set_wakeup_fd(self._button, warn_on_full_buffer=False)
        self._watcher.start()
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._raise_again
        self._before = _answer(self._interrupt)

    def end(self) -> None:
        """Leave all as it was, unless a signal has come: then the process is about to end."""
        if Stop.came:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._unraisable
        signal.set_wakeup_fd(self._wakeup)
        os.write(self._button, _ENDED)
        self._watcher.join()
        os.close(self._bell)
        os.close(self._button)

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if not Stop.came or self._again:
            Stop.came, self._again = True, False
            raise KeyboardInterrupt

    def _raise_again(self, unraisable: Any) -> None:
        """Bring up once more an interrupt that fell into a destructor or a callback, where Python drops it."""
        if unraisable.exc_type is KeyboardInterrupt:
            os.write(self._button, _SWALLOWED)
        else:
            self._unraisable(unraisable)

    def _watch(self) -> None:
        first, number, own = None, 0, 0
        while True:
            left = None if first is None else max(0.0, first + PATIENCE - time.monotonic())
            if not select.select([self._bell], [], [], left)[0]:
                self._end_at_once()
            told = os.read(self._bell, 1)
            if told == _ENDED:
                return
            if told == _SWALLOWED:
                time.sleep(0.05)  # until the destructor is left
                self._again, own = True, own + 1
                # A real one: it wakes the main thread from a system call too.
                signal.pthread_kill(self._main, number)
            elif own:
                own -= 1
            elif told[0] in self._before:
                if first is None:
                    first, number = time.monotonic(), told[0]
                elif time.monotonic() - first > _ONE_AND_THE_SAME:
                    self._end_at_once()

    def _end_at_once(self) -> NoReturn:
        try:
            end_descendants()
            self._say_farewell()
        finally:
            os._exit(INTERRUPTED)

    def _say_farewell(self) -> None:
        line = self._line()
        # Beside Python's streams, which the main thread may hold; a pipe that is full would hang this thread too.
        if line and select.select([], [1], [], 0)[1]:
            cursor = "\x1b[?25h" if os.isatty(1) else ""
            os.write(1, f"{cursor}\n{line}\n".encode(errors="replace"))

    def _line(self) -> str:
        return self._farewell if isinstance(self._farewell, str) else self._farewell()


def end_descendants() -> None:
    """SIGKILL all that this process started, and what that started."""
    import psutil

    # Twice: one of them may have been about to start another.
    for _ in range(2):
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                process.kill()


def _answer(handler: Callable[[int, FrameType | None], Any]) -> dict[signal.Signals, Any]:
    """Set the handler of all signals but those that are ignored; gives what they had."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heeded = {number: old for number, old in before.items() if old is not signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, handler)
    return heeded
