"""What a report costs the disk: one line of the journal, written and synced once."""

import os
from pathlib import Path

import pytest
from state_driver import EER, EPOCHS, Sweep


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the system calls that open, write, sync or rename, as they are made."""
    made: list[str] = []
    for name in ("open", "write", "fsync", "fdatasync", "rename", "replace", "ftruncate"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *given, _name=name, _real=real, **kw: made.append(_name) or _real(*given, **kw)
        )
    return made


def test_a_report_is_one_write_and_one_sync(tmp_path: Path, calls: list[str]) -> None:
    sweep = Sweep(tmp_path)
    trial = sweep.state.draw()
    calls.clear()
    for epoch in range(1, EPOCHS + 1):
        assert sweep.state.report(trial.number, epoch, {EER: 0.3 / epoch, "train/loss": 1.0}) != "pruned"
        assert [call.replace("fdatasync", "fsync") for call in calls] == ["write", "fsync"]
        calls.clear()


def test_drawing_and_failing_are_one_line_each(tmp_path: Path, calls: list[str]) -> None:
    sweep = Sweep(tmp_path)
    sweep.state.draw()
    calls.clear()
    sweep.state.draw()
    sweep.state.fail(0, "out of memory")
    assert [call.replace("fdatasync", "fsync") for call in calls] == ["write", "fsync"] * 2
