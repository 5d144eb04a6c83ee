"""The log of a training, in its folder: each line with its time; a training that is taken up goes on in it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from twinverify.training.names import LOG

_OURS = "twinverify"


@contextmanager
def logged(folder: Path) -> Iterator[None]:
    """Append what this package logs, and what libraries warn of, to a training's log while the block lasts.

    A disk that takes no more costs the log lines, not the training.
    """
    ours = logging.getLogger(_OURS)
    before, shown = ours.level, warnings.showwarning

    def note(message: Any, category: Any, *where: Any, **more: Any) -> None:
        ours.warning("%s: %s", category.__name__, str(message).partition("\n")[0])
        shown(message, category, *where, **more)

    handler = _Quiet(folder / LOG, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    warnings.showwarning = note
    try:
        yield
    finally:
        warnings.showwarning = shown
        ours.setLevel(before)
        ours.removeHandler(handler)
        handler.close()


class _Quiet(logging.FileHandler):
    """Appends to a file, and leaves it where that cannot be."""

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line; a file that cannot be opened is no error."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Do nothing: the journal tells what counts."""
