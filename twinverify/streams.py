"""Output that lasts: no terminal's characters, no closed pipe and no closed terminal ends a command."""

import io
import os
import sys
import unicodedata
from contextlib import suppress
from typing import IO, Final

#: Controls, formats (which turn the direction of writing), halves of characters, and separators of lines.
_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def print_anywhere() -> None:
    """Let characters that a terminal lacks become `?`, and a closed stream be as good as none."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def visible(text: str, keep: str = "\n\t") -> str:
    """Give a text in which what would steer a terminal, or turn its writing around, is spelled out.

    Names of files and people, causes of failure and trials' values may come from elsewhere.

    Args:
        text: to be shown.
        keep: the control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each in keep or unicodedata.category(each) not in _STEERING else _spelled(each) for each in text
    )


def _spelled(character: str) -> str:
    return ascii(character)[1:-1]


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
