"""One process a sweep."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twinverify.errors import UserError
from twinverify.owner import note_owner, owner

LOCK_FILE, OWNER_FILE = "sweep.lock", ".owner"
#: Each failure needs another process that removes the folder in between.
_TRIES = 100


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a sweep's folder, which is made; the kernel frees it when the process dies, however it dies.

    If the block is refused (`UserError`), a folder that was made here and holds nothing else is removed again, still
    under the lock: nobody else's can be hit.

    Raises:
        UserError: another process holds it; it is named.
    """
    handle, is_new = _acquired(folder)
    try:
        note_owner(folder / OWNER_FILE)
        try:
            yield
        except UserError:
            if is_new:
                _take_back(folder)
            raise
        finally:
            with suppress(OSError):
                (folder / OWNER_FILE).unlink(missing_ok=True)
    finally:
        os.close(handle)


def _acquired(folder: Path) -> tuple[int, bool]:
    """Give the file that is locked, and whether the folder was made for it."""
    for _ in range(_TRIES):
        is_new = not folder.exists()
        with suppress(FileNotFoundError):  # whoever was refused has just removed the folder
            handle = _opened(folder)
            if _is_taken(handle, folder):
                return handle, is_new
            os.close(handle)
    raise UserError(f"output {folder.parent}: {folder.name} is removed as often as it is made; see who does")


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"output {folder.parent}: cannot be written ({reason}); give a folder with output=…") from None


def _is_taken(handle: int, folder: Path) -> bool:
    """Lock the file, and tell whether that keeps others out: a lock on a file that was removed meanwhile does not."""
    try:
        _flock(handle)
        return os.path.samestat(os.fstat(handle), (folder / LOCK_FILE).stat())
    except FileNotFoundError:
        return False
    except BlockingIOError:
        os.close(handle)
        who = owner(folder / OWNER_FILE)
        raise UserError(
            f"sweep {folder.name} is being run by {who}; wait for it, or start another with name=…"
        ) from None
    except OSError as error:
        os.close(handle)
        raise UserError(
            f"output {folder.parent}: cannot be locked ({error.strerror}); give a folder on a local disk with output=…"
        ) from None


def _flock(handle: int) -> None:
    """Lock a file, or raise BlockingIOError; asked more than once, since who only looks holds it too: `past.runner`."""
    for tries_left in (2, 1, 0):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not tries_left:
                raise
            time.sleep(0.05)
        else:
            return


def _take_back(folder: Path) -> None:
    ours = {LOCK_FILE, OWNER_FILE}
    if {path.name for path in folder.iterdir()} <= ours:
        for name in ours:
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # something has come to lie in it
            folder.rmdir()
