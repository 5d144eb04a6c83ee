"""Tensors and values in files that are whole or not there, the tensors with a checksum, never a pickle."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from twinverify.durable import aside, write_text

_VALUES, _CHECKSUM = "values", "crc32"


class DamagedFileError(Exception):
    """A tensor file is cut off, altered or not one of ours."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
    """Write tensors and JSON values to one safetensors file, the values in its header.

    One file, so that the two cannot be of different epochs after a crash.
    """
    owned = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = json.dumps(values)
    metadata = {_VALUES: header, _CHECKSUM: str(_checksum(owned, header))}
    with aside(path) as temporary:
        save_file(_unshared(owned), temporary, metadata=metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, onto the CPU.

    Raises:
        DamagedFileError: the file is cut off, or its content does not fit its checksum.
        FileNotFoundError: there is no such file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping, only a keys()
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"{path}: {error}") from None
    header = metadata.get(_VALUES, "")
    if metadata.get(_CHECKSUM) != str(_checksum(tensors, header)):
        raise DamagedFileError(f"{path}: the content does not fit its checksum")
    try:
        values = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: its values are no JSON ({error})") from None
    if not isinstance(values, dict):
        raise DamagedFileError(f"{path}: its values are not those of a training")
    return tensors, values


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON values, readable by people; a file that holds them already is left as it is."""
    text = json.dumps(values, indent=1) + "\n"
    if not path.exists() or path.read_bytes() != text.encode():
        write_text(path, text)


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy what shares memory with another tensor: safetensors refuses it."""
    seen: set[int] = set()
    apart: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        apart[name] = tensor.clone() if tensor.untyped_storage().data_ptr() in seen else tensor
        seen.add(tensor.untyped_storage().data_ptr())
    return apart


def _checksum(tensors: Mapping[str, Tensor], header: str) -> int:
    checksum = zlib.crc32(header.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        checksum = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), checksum)
        checksum = zlib.crc32(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum
