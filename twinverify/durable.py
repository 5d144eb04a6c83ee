"""Files that are whole or not there: written aside, synced, renamed; and what is told of a disk that takes no more."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from twinverify.errors import UserError

#: The disk's fault, not that of what is written: full, over the quota, mounted read-only, broken, made immutable.
_TROUBLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EPERM)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        OSError: it cannot be written; a full disk's names the file.
    """
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a place for a file or a folder, which takes the place of `path` when the block ends well.

    A folder cannot be replaced at one stroke: a kill between the two renames leaves none at `path`, never a half one,
    and the one that was there under the name of `set_aside`.

    Args:
        path: the file or the folder.

    Yields:
        A hidden name in the same folder, this process's own; nothing stays there if the block fails. A killed process
        leaves it (`leftovers`).

    Raises:
        OSError: it cannot be written; a full disk's names the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        _sync(temporary)
        _take_place(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):  # what went wrong first is told
            remove(temporary)
        named = _named(error, temporary, path)
        if named is None:
            raise
        raise named from error


def leftovers(folder: Path, names: Collection[str]) -> list[Path]:
    """Give what killed processes left aside of the files `names` of a folder; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    found = ((path, re.fullmatch(r"\.(.+)\.\d+", path.name)) for path in folder.iterdir())
    return sorted(path for path, match in found if match and match[1] in names)


def set_aside(path: Path) -> list[Path]:
    """Give the folders that stood at `path` when processes were killed while they replaced it, the newest last.

    Where nothing stands at `path`, one of them may be the only copy; a killed removal leaves halves as well.
    """
    return sorted(leftovers(path.parent, (f"{path.name}.old",)), key=lambda old: old.stat().st_mtime_ns)


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it; one that is not there is as good."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def disk_trouble(error: BaseException | None) -> str | None:
    """Give the reason if an error, or one that it came from, is the disk's; None for all others."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        code = _code(error)
        if code is not None:
            return os.strerror(code)
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def told_if_disk_fails(place: Path | None = None, *, work: str = "sweep") -> Iterator[None]:
    """Turn the disk's errors into a line for people; all others go on as they are.

    Args:
        place: what is written in the block, for an error that does not say it.
        work: what can be continued.

    Raises:
        UserError: the disk is full, read-only or broken.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = disk_trouble(error)
        if reason is None:
            raise
        named = error.filename if isinstance(error, OSError) else None
        what = named or place or "a file"
        way_out = "allow it" if reason == os.strerror(errno.EPERM) else "make room"
        line = f"{what}: cannot be written ({reason}); {way_out} and continue the {work}: nothing is lost"
        raise UserError(line) from error


def _take_place(temporary: Path, path: Path) -> None:
    """Rename what was written aside; a folder that is in its way goes aside first (`set_aside`)."""
    if not path.is_dir() or path.is_symlink():
        temporary.replace(path)
        return
    old = path.with_name(f".{path.name}.old.{os.getpid()}")
    remove(old)  # of a killed process that had the same number; `path` itself stands
    path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        old.replace(path)
        raise
    remove(old)


def _code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno in _TROUBLE:
        return error.errno
    told = str(error)
    # safetensors tells the system's error in words only, and so does SQLite.
    named = re.search(r"\bos error (\d+)\)", told)
    if named and int(named[1]) in _TROUBLE:
        return int(named[1])
    return errno.ENOSPC if "database or disk is full" in told else None


def _named(error: BaseException, temporary: Path, path: Path) -> OSError | None:
    """Give an error of the disk with the name that people know; None for all others."""
    code = None if isinstance(error, UserError) else _code(error)
    file = error.filename if isinstance(error, OSError) else None
    if code is None or not str(file or temporary).startswith(str(temporary)):
        return None
    return OSError(code, os.strerror(code), str(path))


def sync(handle: int) -> None:
    """Bring an open file to the disk itself."""
    if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: its fsync leaves the data in the drive's cache
        with suppress(OSError):  # not every file system has it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    """Bring a file, or a folder with all in it, to the disk."""
    if path.is_dir():
        for inner in path.iterdir():
            _sync(inner)
        sync_folder(path)
    else:
        with path.open("rb") as file:
            sync(file.fileno())
