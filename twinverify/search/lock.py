"""One process a sweep."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from twinverify.errors import UserError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a sweep's folder, which is made; the kernel frees it when the process dies, however it dies.

    Raises:
        UserError: another process holds it; it is named.
    """
    lock, owner = FileLock(folder / "sweep.lock"), folder / ".owner"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:  # an OSError too
        who = owner.read_text(encoding="utf-8") if owner.exists() else "another process"
        raise UserError(
            f"sweep {folder.name} is being run by {who}; wait for it, or start another with name=…"
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"output {folder.parent}: cannot be written ({reason}); give a folder with output=…") from None
    try:
        owner.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()
