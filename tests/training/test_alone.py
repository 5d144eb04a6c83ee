"""One process a folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.training import alone
from twinverify.training.alone import FolderError, only_writer
from twinverify.training.loop import fit
from twinverify.training.names import BEST, LAST, LOCK

HOLD = """
import sys, time
from pathlib import Path
from twinverify.training.alone import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""

#: Saves 256 MiB, which takes long enough to be killed meanwhile.
SAVE = """
import sys, torch
from pathlib import Path
from twinverify.training.alone import only_writer
from twinverify.training.files import write_tensors
with only_writer(Path(sys.argv[1])):
    write_tensors(Path(sys.argv[1]) / "last.safetensors", {"x": torch.zeros(2**26)}, {})
"""


def holder(folder: Path, seconds: float) -> "subprocess.Popen[str]":
    """Start a process that trains in a folder, and wait until it does."""
    words = [sys.executable, "-c", HOLD, str(folder), str(seconds)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_and_the_first_named(tmp_path: Path) -> None:
    with holder(tmp_path, 60) as first:
        with pytest.raises(FolderError, match=f"{tmp_path}: process {first.pid} on .* still trains in it"):
            only_writer(tmp_path, 0.2).__enter__()
        first.kill()


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    with holder(tmp_path, 60) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
    with only_writer(tmp_path, 0):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_it_waits_for_a_process_that_is_about_to_end(tmp_path: Path) -> None:
    with holder(tmp_path, 0.5), only_writer(tmp_path, 20):
        pass


def test_what_a_killed_process_left_half_written_is_cleared_away_and_nothing_else(tmp_path: Path) -> None:
    stays = {".notes.4711", f".{LAST}", f"{LAST}.4711", "mine", ".tmp", ".tmpfile"}
    for name in (f".{LAST}.4711", f".{BEST}.12", ".best.json.7", *stays):
        (tmp_path / name).write_text("x")
    with only_writer(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {*stays, LOCK}
    assert {path.name for path in tmp_path.iterdir()} == stays


def test_what_a_kill_leaves_of_a_checkpoint_is_cleared_away_whoever_named_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SAVE, str(tmp_path)]) as process:
        end = time.monotonic() + 60
        while not (found := [path for path in tmp_path.iterdir() if path.suffix != ".lock"]):
            assert time.monotonic() < end
        process.kill()
    left = [path for path in tmp_path.iterdir() if path.name != LOCK]
    assert left, found
    with only_writer(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"output .*/file/x: cannot be made \(Not a directory\)"):
        only_writer(tmp_path / "file" / "x").__enter__()


def test_a_training_holds_its_folder_until_it_ends_or_is_closed(
    small: Any, draw_faces: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "PATIENCE", 0.1)
    config, faces = small({"train.epochs": 2}), draw_faces(families=2)
    first = fit(config, faces, faces, folder=tmp_path)
    next(first)
    started = time.monotonic()
    with pytest.raises(UserError, match="still trains in it"):
        next(fit(config, faces, faces, folder=tmp_path))
    assert time.monotonic() - started < 5
    first.close()
    assert len(list(fit(config, faces, faces, folder=tmp_path))) == 2
    with only_writer(tmp_path, 0):
        pass


def test_a_training_that_fails_lets_its_folder_go(small: Any, draw_faces: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing can be measured"):
        next(fit(small(), draw_faces(), draw_faces(images=1), folder=tmp_path))
    with only_writer(tmp_path, 0):
        pass
