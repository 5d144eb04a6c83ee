"""What a training ran with: packages, and by what its code differs from the commit."""

import subprocess
from pathlib import Path

import pytest

from twinverify.search.surroundings import code_diff, note_surroundings, versions_text


def git(root: Path, *words: str) -> None:
    name = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")
    subprocess.run(["git", "-C", str(root), *name, *words], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "twinverify").mkdir(parents=True)
    (root / "twinverify" / "__init__.py").write_text("one = 1\n")
    (root / "faces.txt").write_text("somebody\n")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "first")
    code_diff.cache_clear()
    return root


def test_versions_are_a_file_that_pip_reads() -> None:
    lines = versions_text().splitlines()
    assert lines[0].startswith("# Python 3.")
    assert all("==" in line for line in lines[1:])
    assert {"torch", "mlflow", "ray", "twinverify"} <= {line.partition("==")[0] for line in lines[1:]}


def test_a_clean_checkout_has_no_difference(checkout: Path) -> None:
    assert code_diff(checkout) is None


def test_changed_code_is_told_so_that_git_applies_it(checkout: Path, tmp_path: Path) -> None:
    (checkout / "twinverify" / "__init__.py").write_text("one = 2\n")
    (checkout / "twinverify" / "new.py").write_text("secret = 1\n")
    found = code_diff(checkout)
    assert found is not None
    assert "-one = 1\n+one = 2\n" in found
    assert found.startswith("# new, not in the commit: twinverify/new.py\n")
    assert "secret" not in found
    git(checkout, "checkout", "-q", "--", ".")
    (tmp_path / "git.diff").write_text(found)
    git(checkout, "apply", str(tmp_path / "git.diff"))
    assert (checkout / "twinverify" / "__init__.py").read_text() == "one = 2\n"


def test_what_is_kept_beside_the_code_is_not_told(checkout: Path) -> None:
    (checkout / "faces.txt").write_text("somebody else\n")
    assert code_diff(checkout) is None


def test_a_long_difference_is_cut_off_and_says_so(checkout: Path) -> None:
    (checkout / "twinverify" / "__init__.py").write_text("x = 1\n" * 1000)
    found = code_diff(checkout, longest=500)
    assert found is not None
    assert len(found) < 600
    assert "# cut off here: " in found


def test_another_projects_checkout_is_not_told_of(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "twinverify").mkdir()
    (tmp_path / "twinverify" / "__init__.py").write_text("")
    code_diff.cache_clear()
    assert code_diff(tmp_path) is None


def test_a_difference_that_has_gone_leaves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for diff in ("-a\n+b\n", None):
        monkeypatch.setattr("twinverify.search.surroundings.code_diff", lambda diff=diff: diff)
        note_surroundings(tmp_path)
        assert (tmp_path / "git.diff").exists() == (diff is not None)
    assert (tmp_path / "versions.txt").read_text() == versions_text()
