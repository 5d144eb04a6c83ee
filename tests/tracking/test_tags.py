"""The tags that every run carries."""

import shutil
import subprocess
from pathlib import Path

import pytest

from twinverify.tracking import tags
from twinverify.tracking.tags import git_commit, run_tags


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout with one commit, which the package seems to lie in."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tags.py").write_text("# one\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "tags.py")
    git(tmp_path, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "first")
    monkeypatch.setattr(tags, "__file__", str(tmp_path / "tags.py"))
    return tmp_path


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_tags_are_those_of_the_contract() -> None:
    told = run_tags(space="glca_heads", dataset="orl", dataset_size=240, gpu_type="cpu")
    assert set(told) == {"space", "model_type", "dataset", "dataset_size", "gpu_type", "git_commit"}
    assert (told["space"], told["model_type"], told["dataset"]) == ("glca_heads", "dcal", "orl")
    assert (told["dataset_size"], told["gpu_type"]) == ("240", "cpu")
    assert all(isinstance(value, str) and value for value in told.values())


def test_a_single_training_has_no_space() -> None:
    assert "space" not in run_tags(space="", dataset="orl", dataset_size=240, gpu_type="cpu")


def test_the_commit_is_the_whole_hash_even_where_it_has_a_tag(checkout: Path) -> None:
    git(checkout, "tag", "v1.0")
    assert git_commit() == git(checkout, "rev-parse", "HEAD")
    assert len(git_commit()) == 40


def test_a_checkout_with_changes_is_told_from_its_commit(checkout: Path) -> None:
    (checkout / "tags.py").write_text("# two\n")
    assert git_commit() == f"{git(checkout, 'rev-parse', 'HEAD')}-dirty"


def test_outside_a_checkout_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tags, "__file__", str(tmp_path / "tags.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit() == "unknown"


def test_without_git_the_commit_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert git_commit() == "unknown"
