"""The journal: what `append` returned from is there again, whatever became of the file's end."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinverify.errors import UserError
from twinverify.search.journal import FILE_NAME, Journal, has_events, read_events, read_journal

PLAN: dict[str, Any] = {"sweep": {"name": "mine", "options": {"trials": 2}}, "space": "train.lr:\n  float: [1, 2]\n"}
EVENTS: tuple[tuple[str, int | None, dict[str, Any]], ...] = (
    ("planned", None, PLAN),
    ("drawn", 0, {"values": {"model.glca.heads": 3, "model.glca.fusion": "sa", "train.clip": None}}),
    ("reported", 0, {"epoch": 1, "metrics": {"val/twin_eer": 0.41}, "then": "continue"}),
    ("drawn", 1, {"values": {"train.lr": 1e-5}}),
    ("failed", 1, {"cause": "epoch 1: a value of „train/loss“ is not\na number"}),
    ("reported", 0, {"epoch": 2, "metrics": {"val/twin_eer": 0.39, "train/loss": -0.25}, "then": "completed"}),
)


def written(folder: Path) -> list[dict[str, Any]]:
    journal = Journal(folder)
    entries = [journal.append(event, trial, **facts) for event, trial, facts in EVENTS]
    journal.close()
    return entries


def lines_of(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Have the kernel refuse to let any file of this process grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_without_a_journal_has_no_events(tmp_path: Path) -> None:
    assert list(read_journal(tmp_path)) == []
    assert not (tmp_path / FILE_NAME).exists()


def test_what_was_appended_is_read_back_in_order_with_its_time(tmp_path: Path) -> None:
    entries = written(tmp_path)
    assert list(read_journal(tmp_path)) == entries
    assert [(e["event"], e.get("trial")) for e in entries] == [(event, trial) for event, trial, _ in EVENTS]
    assert all(isinstance(e["time"], float) for e in entries)


def test_an_event_is_readable_as_soon_as_append_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for count, (event, trial, facts) in enumerate(EVENTS, 1):
        journal.append(event, trial, **facts)
        assert len(list(read_journal(tmp_path))) == count
    journal.close()


def test_a_plan_is_of_no_trial(tmp_path: Path) -> None:
    assert written(tmp_path)[0].keys() == {"event", "sweep", "space", "time"}


def test_only_the_events_that_are_asked_for_are_given(tmp_path: Path) -> None:
    entries = written(tmp_path)
    assert read_events(tmp_path, "planned") == entries[:1]
    assert read_events(tmp_path, "drawn") == [entries[1], entries[3]]
    assert read_events(tmp_path, "drawn", "planned") == [entries[0], entries[1], entries[3]]
    journal = Journal(tmp_path)
    journal.append("failed", 0, cause='this trial was "planned" and "drawn"')
    journal.append("drawn", 3, values={"model.glca.selection": "planned"})
    journal.close()
    assert read_events(tmp_path, "planned") == entries[:1]
    assert [entry["trial"] for entry in read_events(tmp_path, "drawn")] == [0, 1, 3]


def test_of_some_events_the_damaged_are_passed_over(tmp_path: Path) -> None:
    entries = written(tmp_path)
    damaged = b'{"event":"planned","swe\0\0\0\n'
    lines = lines_of(tmp_path)
    (tmp_path / FILE_NAME).write_bytes(b"".join([lines[0], damaged, *lines[1:], lines[0][:-5]]))
    assert read_events(tmp_path, "planned") == entries[:1]
    assert read_events(tmp_path / "nowhere", "planned") == []


@pytest.mark.parametrize(
    ("content", "begun"), [(None, False), (b"", False), (b'{"event":"plan', False), (b"\0\0\n", False)], ids=str
)
def test_a_sweep_has_begun_with_its_first_whole_line(tmp_path: Path, content: bytes | None, begun: bool) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert has_events(tmp_path) is begun
    Journal(tmp_path).append("planned", **PLAN)
    assert has_events(tmp_path)


def test_a_journal_that_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / FILE_NAME).mkdir(parents=True)
    with pytest.raises(UserError, match=r"journal\.jsonl: cannot be read \(Is a directory\)"):
        list(read_journal(tmp_path / "a"))

    def read_only(*_: Any) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.open", read_only)
    with pytest.raises(UserError, match=r"journal\.jsonl: cannot be written \(Read-only file system\)"):
        Journal(tmp_path)


def test_a_new_journal_is_in_its_folder_for_good_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []

    def sync(folder: Path) -> None:
        synced.append([path.name for path in folder.iterdir()])

    monkeypatch.setattr("twinverify.search.journal.sync_folder", sync)
    for _ in range(2):
        Journal(tmp_path).close()
    assert synced == [[FILE_NAME]]


def test_an_event_is_synced_before_append_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("twinverify.search.journal.sync", lambda file: synced.append(os.fstat(file).st_size))
    journal = Journal(tmp_path)
    journal.append("drawn", 0, values={})
    assert synced == [(tmp_path / FILE_NAME).stat().st_size]
    journal.close()


def test_reopening_loses_nothing_and_appends_behind(tmp_path: Path) -> None:
    entries = written(tmp_path)
    entries += written(tmp_path)
    assert list(read_journal(tmp_path)) == entries


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.close()
    journal.close()
    # A second close of the same number would close a stranger's file.
    stranger = os.open(tmp_path / "other", os.O_CREAT | os.O_RDWR)
    journal.close()
    os.write(stranger, b"still open")
    os.close(stranger)


def test_a_cut_at_every_byte_falls_back_to_the_whole_lines_before_it(tmp_path: Path) -> None:
    entries = written(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for cut in range(len(whole) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        assert list(read_journal(folder)) == entries[:kept], f"cut at byte {cut}"
        journal = Journal(folder)
        added = journal.append("drawn", 7, values={})
        journal.close()
        assert list(read_journal(folder)) == [*entries[:kept], added], f"appended after a cut at byte {cut}"


def test_zeros_from_any_byte_on_fall_back_to_the_whole_lines_before_them(tmp_path: Path) -> None:
    """What a power cut leaves of a file that had its new length already, but not its new bytes."""
    entries = written(tmp_path)
    whole = (tmp_path / FILE_NAME).read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / FILE_NAME).write_bytes(whole[:cut] + b"\0" * (len(whole) - cut))
        kept = entries[: whole[:cut].count(b"\n")]
        assert list(read_journal(tmp_path)) == kept, f"zeros from byte {cut} on"
        Journal(tmp_path).close()
        assert list(read_journal(tmp_path)) == kept, f"opened with zeros from byte {cut} on"


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, len(EVENTS)), tail=st.binary(min_size=1, max_size=40).filter(lambda tail: b"\n" not in tail)
)
def test_rubbish_without_an_end_of_line_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory, count: int, tail: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    entries = written(folder)[:count]
    (folder / FILE_NAME).write_bytes(b"".join(lines_of(folder)[:count]) + tail)
    assert list(read_journal(folder)) == entries
    Journal(folder).close()
    assert len(lines_of(folder)) == count


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 100,
        b"\0" * 100 + b"\n",
        b'{"event":"repo\0\0\0\0\0\n',
        b'{"event":"reported","trial":0\n',
        b"\n",
        b"ab\rcd\n",
    ],
    ids=[
        "zeros",
        "a line of zeros",
        "a line that ends in zeros",
        "a line that lacks its end",
        "an empty line",
        "a return",
    ],
)
def test_a_damaged_last_line_is_passed_over_and_cut_off(tmp_path: Path, tail: bytes) -> None:
    entries = written(tmp_path)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(tail)
    assert list(read_journal(tmp_path)) == entries
    journal = Journal(tmp_path)
    entries.append(journal.append("drawn", 2, values={}))
    journal.close()
    assert list(read_journal(tmp_path)) == entries


@pytest.mark.parametrize(
    "damage",
    [
        b"\0" * 20 + b"\n",
        b'{"event": "drawn"\n',
        b"\n",
        b"12\n",
        b'{"epoch": 1}\n',
        b'{"event": ["drawn"], "time": 1}\n',
        b'{"event": "drawn", "values": {}, "time": 1}\n',
        b'{"event": "reported", "trial": 0, "epoch": 1, "metrics": {}, "time": 1}\n',
        b'{"event": "planned", "sweep": {}, "time": 1}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=lambda damage: str(damage[:40]),
)
@pytest.mark.parametrize("number", [1, 3])
def test_a_damaged_line_in_the_middle_is_named(tmp_path: Path, number: int, damage: bytes) -> None:
    written(tmp_path)
    lines = lines_of(tmp_path)
    lines[number - 1] = damage
    (tmp_path / FILE_NAME).write_bytes(b"".join(lines))
    with pytest.raises(UserError, match=rf"journal\.jsonl, line {number}: not a journal entry"):
        list(read_journal(tmp_path))


def test_a_line_is_one_line_of_plain_ascii_json_whatever_its_text(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    cause = "two\nlines\r, a separator \u2028, an umlaut ü, a null \0"
    entry = journal.append("failed", 0, cause=cause)
    journal.close()
    (line,) = lines_of(tmp_path)
    assert line.isascii()
    assert json.loads(line) == entry
    assert next(iter(read_journal(tmp_path)))["cause"] == cause


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_refused_and_nothing_of_it_written(tmp_path: Path, value: float) -> None:
    entries = written(tmp_path)
    journal = Journal(tmp_path)
    with pytest.raises(ValueError, match="JSON compliant"):
        journal.append("reported", 0, epoch=3, metrics={"val/twin_eer": value})
    journal.close()
    assert list(read_journal(tmp_path)) == entries


@pytest.mark.parametrize("room", [0, 1, 20, 60])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(tmp_path: Path, room: int) -> None:
    written(tmp_path)
    before = (tmp_path / FILE_NAME).read_bytes()
    journal = Journal(tmp_path)
    with files_of_at_most(len(before) + room), pytest.raises(UserError, match=r"cannot be written .*make room"):
        journal.append("drawn", 5, values={"train.lr": 1e-3, "model.glca.heads": 3, "model.glca.fusion": "concat"})
    assert (tmp_path / FILE_NAME).read_bytes() == before
    entry = journal.append("drawn", 5, values={})  # there is room again
    journal.close()
    assert list(read_journal(tmp_path))[-1] == entry


def test_an_event_that_could_not_be_synced_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = written(tmp_path)
    journal = Journal(tmp_path)

    def fails(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twinverify.search.journal.sync", fails)
    with pytest.raises(UserError, match="No space left on device"):
        journal.append("drawn", 2, values={})
    journal.close()
    assert list(read_journal(tmp_path)) == entries


def test_an_event_that_ctrl_c_came_into_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its caller never knew of it, so what comes next must not follow from it, nor tell it a second time."""
    entries = written(tmp_path)
    journal = Journal(tmp_path)

    def interrupted(file: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("twinverify.search.journal.sync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            journal.append("drawn", 2, values={})
    entries.append(journal.append("failed", 0, cause="interrupted"))
    journal.close()
    assert list(read_journal(tmp_path)) == entries


def test_a_half_line_that_cannot_be_cut_off_is_passed_over_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = written(tmp_path)
    journal = Journal(tmp_path)
    write = os.write

    def half(file: int, line: bytes) -> int:
        monkeypatch.setattr("os.ftruncate", fails)
        return write(file, line[:9])

    def fails(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.write", half)
    for _ in range(2):
        with pytest.raises(UserError, match="cannot be written"):
            journal.append("drawn", 2, values={})
    journal.close()
    monkeypatch.undo()
    assert list(read_journal(tmp_path)) == entries
