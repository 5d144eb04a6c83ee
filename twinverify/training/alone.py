"""One process a folder: two that write the same checkpoints would spoil both trainings."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from twinverify.durable import leftovers, remove
from twinverify.errors import UserError
from twinverify.owner import note_owner, owner
from twinverify.training.names import CHECKPOINTS, LOCK, ROLLOUT, SCORES

#: A worker that outlived its killed driver notices within seconds; so long a new one waits for it.
PATIENCE = 30.0


class FolderError(UserError):
    """The folder is to blame, not the training: another process trains in it, it holds another training, cannot be."""


@contextmanager
def only_writer(folder: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold the lock of a training's folder, which is made, and clear away what a killed process left half written.

    The kernel frees the lock when its holder dies, however it dies.

    Args:
        folder: the training's.
        seconds: how long to wait for another process to end; None = `PATIENCE`.

    Raises:
        FolderError: another process still holds it, which is named; the folder cannot be.
    """
    # Not of one thread alone: a generator may be closed by another than began it.
    lock = FileLock(folder / LOCK, thread_local=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE if seconds is None else seconds)
    except Timeout:  # an OSError too
        raise FolderError(
            f"{folder}: {owner(folder / LOCK)} still trains in it; end that process, or choose another folder"
        ) from None
    except OSError as error:
        raise cannot_be(folder, error) from None
    try:
        note_owner(folder / LOCK)
        for path in half_written(folder):
            remove(path)
        yield
    finally:
        with suppress(OSError):  # filelock sees to it that a lock without a name guards nobody
            (folder / LOCK).unlink()
        lock.release()


def half_written(folder: Path) -> list[Path]:
    """Give what killed processes left aside in a training's folder."""
    # safetensors writes aside too, under a name of its own, before it takes ours.
    return [*leftovers(folder, (*CHECKPOINTS, SCORES, ROLLOUT)), *folder.glob(".tmp??????")]


def cannot_be(folder: Path, error: OSError) -> FolderError:
    """Give the line about a folder that cannot be made or written."""
    return FolderError(f"output {folder}: cannot be made ({error.strerror}); give a folder with output=…")
