"""Who holds a lock, in words for people; the kernel alone decides who does."""

import os
import re
import socket
from contextlib import suppress
from pathlib import Path


def note_owner(path: Path) -> None:
    """Write down that this process holds it; a disk without room for it need not stop anything."""
    with suppress(OSError):
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")


def owner(path: Path) -> str:
    """Give `process 4711 on host`; half written, damaged or gone again, it may be anybody."""
    with suppress(OSError, UnicodeDecodeError):
        told = path.read_text(encoding="utf-8")
        if re.fullmatch(r"process \d+ on \S+", told):
            return told
    return "another process"
