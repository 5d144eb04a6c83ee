"""The frames of a `.wandb` file: LevelDB's log format, with a head of its own and the plain CRC-32 as checksum.

The `wandb` package of 2026 reads these files in its Go core only, so the frames are taken apart here, and the records
in them with the package's own protocol classes.

Source: github.com/google/leveldb, doc/log_format.md.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HEAD: Final = b":W&B"
_HEAD_LENGTH: Final = 7
_BLOCK: Final = 32768
_FRAME: Final = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class Damaged(Exception):  # noqa: N818
    """From here on the file is cut off or damaged."""


def records(file: Path) -> Iterator[bytes]:
    """Give the records of a file, one by one.

    Raises:
        Damaged: the file ends within a record, or what follows is none; those before were whole.
    """
    data = file.read_bytes()
    if not data.startswith(HEAD):
        raise Damaged("it is empty" if not data else "it does not begin as a .wandb file does")
    if len(data) < _HEAD_LENGTH:
        raise Damaged("it ends within its head")
    position, begun = _HEAD_LENGTH, b""
    while position < len(data):
        left = _BLOCK - position % _BLOCK
        if left < _FRAME.size:  # no room for a head: zeros to the block's end
            position += left
            continue
        kind, chunk = _frame(data, position)
        position += _FRAME.size + len(chunk)
        if (kind in (_FULL, _FIRST)) == bool(begun):
            raise Damaged(f"a record is missing its {'end' if begun else 'beginning'}")
        begun += chunk
        if kind in (_FULL, _LAST):
            yield begun
            begun = b""
    if begun:
        raise Damaged("it ends within a record")


def _frame(data: bytes, position: int) -> tuple[int, bytes]:
    if position + _FRAME.size > len(data):
        raise Damaged("it ends within a record")
    checksum, length, kind = _FRAME.unpack_from(data, position)
    begin = position + _FRAME.size
    chunk = data[begin : begin + length]
    if len(chunk) < length:
        raise Damaged("it ends within a record")
    if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or checksum != zlib.crc32(chunk, zlib.crc32(bytes([kind]))):
        raise Damaged(f"what stands at byte {position} is no record")
    return kind, chunk
