"""Weights files made by somebody who means ill: nothing in them is run, and what they are is told in one line."""

import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from twinverify.errors import UserError
from twinverify.model.weights import load_weights
from twinverify.training.checkpoint import read_model
from twinverify.training.files import DamagedFileError, read_tensors


class Runs:
    """What makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


def plain_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content))


def old_pickle(path: Path, content: object) -> None:
    path.write_bytes(pickle.dumps(content, protocol=0))


def saved(path: Path, content: object) -> None:
    torch.save(content, path)


def saved_as_before_1_6(path: Path, content: object) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def torchscript(path: Path, content: object) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content))
        archive.writestr("archive/constants.pkl", pickle.dumps(()))
        archive.writestr("archive/version", "3")
        archive.writestr("archive/code/x.py", "raise SystemExit")


@pytest.mark.parametrize("write", [plain_pickle, old_pickle, saved, saved_as_before_1_6, torchscript])
@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.safetensors"])
def test_no_file_of_weights_runs_anything(tmp_path: Path, write: Any, name: str) -> None:
    canary = tmp_path / "ran"
    write(tmp_path / name, {"model": {"patch_embed.proj.weight": torch.ones(2), "x": Runs(canary)}})

    with pytest.raises(UserError, match=r"model\.weights=.*cannot be read as weights") as refused:
        load_weights(torch.nn.Identity(), tmp_path / name)  # type: ignore[arg-type]
    assert not canary.exists()
    assert "\n" not in str(refused.value)
    # PyTorch's own words tell how to run it all the same.
    assert "weights_only" not in str(refused.value)


def header(told: object, length: int | None = None, rest: bytes = b"\0" * 16) -> bytes:
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + rest


FLOATS = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
LIES = {
    "longer than the file": header({}, length=2**40),
    "longer than any file": header({}, length=2**64 - 1),
    "no JSON": header(b"{{{{"),
    "deep": header(b"[" * 50_000),
    "beyond the end": header({"x": FLOATS | {"data_offsets": [0, 2**40], "shape": [2**38]}}),
    "backwards": header({"x": FLOATS | {"data_offsets": [16, 0]}}),
    "other size": header({"x": FLOATS | {"shape": [2**31, 2**31]}}),
    "overlapping": header({"x": FLOATS, "y": FLOATS}),
    "unknown kind": header({"x": FLOATS | {"dtype": "PICKLE"}}),
    "empty": b"",
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_told_in_one_line(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(LIES[lie])
    with pytest.raises(UserError, match=r"model\.weights=.*cannot be read as weights"):
        load_weights(torch.nn.Identity(), path)  # type: ignore[arg-type]
    with pytest.raises(DamagedFileError):
        read_tensors(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_model(path)


@pytest.mark.parametrize("told", ["[" * 50_000, "[1]", "{", "NaN"])
def test_values_that_are_none_of_ours_are_told(tmp_path: Path, told: str) -> None:
    from safetensors.torch import save_file

    from twinverify.training.files import _checksum

    tensors = {"x": torch.ones(2)}
    save_file(tensors, tmp_path / "w.safetensors", {"values": told, "crc32": str(_checksum(tensors, told))})
    with pytest.raises(DamagedFileError):
        read_tensors(tmp_path / "w.safetensors")
