"""Why a worker died, in few words: from what Ray tells in many, and from the last words in the worker's log."""

import re
from pathlib import Path
from typing import Final

_LONGEST: Final = 200
#: What a process writes that does not end by itself; who is killed writes nothing.
_LAST_WORDS: Final = (r"what\(\): +(.+)", r"Fatal Python error: (.+)", r"\*\*\* (SIG[A-Z]+) received at")


def cause_of_death(told: str, logs: Path) -> str:
    """Give the cause.

    Args:
        told: Ray's text of this death and of those before it, the last one last.
        logs: the folder of the workers' logs.
    """
    last = told.rsplit("Failure # ", 1)[-1].strip()
    if "worker process has died" in last:
        pid = re.search(r"pid: (\d+)", last)
        return (_last_words(logs, pid[1]) if pid else None) or "killed, perhaps for want of memory"
    lines = [line.strip() for line in last.splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else "Ray does not say why"


def _last_words(logs: Path, pid: str) -> str | None:
    for log in logs.glob(f"worker-*-{pid}.err"):
        text = log.read_text(encoding="utf-8", errors="replace")
        for pattern in _LAST_WORDS:
            found = re.findall(pattern, text)
            if found:
                return f"crashed: {found[-1].strip()[:_LONGEST]}"
    return None
