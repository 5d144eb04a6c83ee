"""What a killed start of a sweep has left is found by the next one, and nobody else's."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.search import orphans, ray_home
from twinverify.search.ray_home import _place, clear_away, make_home


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of our own for what is temporary, but for pytest's."""
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        monkeypatch.setattr(ray_home, "_LONGEST_PLACE", 1000)
        yield


def test_a_home_is_for_this_user_alone_and_new_each_time(tmp_path: Path) -> None:
    homes = [make_home(tmp_path) for _ in range(2)]
    assert homes[0] != homes[1]
    assert [home.stat().st_mode & 0o777 for home in homes] == [0o700] * 2


def test_what_a_killed_start_of_the_same_sweep_has_left_is_cleared_away(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    left = []
    for folder in (mine, other):
        home = make_home(folder)
        (home / "ray").mkdir()
        words = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
        process = subprocess.Popen(words, env=os.environ | {orphans.MARK: home.name}, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        left.append((home, process))
    try:
        clear_away(mine)
        (my_home, my_process), (other_home, other_process) = left
        assert my_process.wait(timeout=5) == -signal.SIGKILL
        assert not my_home.exists()
        assert other_process.poll() is None
        assert other_home.exists()
    finally:
        for _, process in left:
            process.kill()
            process.communicate()


def test_a_link_in_place_of_rays_folder_is_not_followed(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    precious = tmp_path / "precious"
    (precious / "inner").mkdir(parents=True)
    home.with_name(home.name[:-8] + "linklink").symlink_to(precious)
    clear_away(tmp_path)
    assert (precious / "inner").exists()


def test_a_process_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "end", lambda *_, **__: [4711])
    with pytest.raises(UserError, match="process 4711, of an earlier start, does not end"):
        clear_away(tmp_path)


def test_rays_sockets_have_names_that_systems_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    longest = "/twinverify-12345678-12345678/ray/session_2026-11-23_19-10-35_991831_4194304/sockets/plasma_store"
    for place in ("/tmp", "/scratch", "/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T"):
        monkeypatch.setattr(tempfile, "tempdir", place)
        assert len(f"{_place()}{longest}") <= 103
