"""Output that lasts: no terminal's characters, no closed pipe and no closed terminal ends a command."""

import io
import os
import sys
from contextlib import suppress
from typing import IO


def print_anywhere() -> None:
    """Let characters that a terminal lacks become `?`, and a closed stream be as good as none."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def say(line: str, stream: IO[str]) -> None:
    """Print a line; one that nobody can read any more is dropped, with all after it."""
    try:
        print(line, file=stream, flush=True)
    except OSError:
        to_nowhere(stream)


def flush(stream: IO[str]) -> None:
    """Print what waits in a stream, or drop it where nobody can read it any more."""
    try:
        stream.flush()
    except (OSError, ValueError):  # its reader is gone, or it is closed
        to_nowhere(stream)


def to_nowhere(stream: IO[str]) -> None:
    """Let what is written to a stream, what still waits in it included, go nowhere from now on."""
    with suppress(OSError, ValueError):  # one without a file, or closed
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
