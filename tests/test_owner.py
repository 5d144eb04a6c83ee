import os
from pathlib import Path

import pytest

from twinverify.owner import note_owner, owner


def test_an_owner_is_told_by_process_and_machine(tmp_path: Path) -> None:
    note_owner(tmp_path / "owner")
    assert owner(tmp_path / "owner").startswith(f"process {os.getpid()} on ")


@pytest.mark.parametrize("content", [None, b"", b"proc", b"process 12", b"\xff\xfe", b"process 1 on a\nb"])
def test_without_a_whole_note_it_may_be_anybody(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "owner").write_bytes(content)
    assert owner(tmp_path / "owner") == "another process"


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    note_owner(tmp_path / "no such folder" / "owner")
