"""Where things lie, from whatever directory a command is started in."""

from pathlib import Path

import pytest

from twinverify import places
from twinverify.errors import UserError
from twinverify.places import output_folder, project_root, runs_folder, spaces_folder, store_folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "search_spaces").mkdir(parents=True)
    (root / "deep" / "down").mkdir(parents=True)
    return root


def test_the_project_is_found_from_its_root_and_from_below(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (project, project / "deep" / "down", project / "search_spaces"):
        monkeypatch.chdir(folder)
        assert project_root() == project
        assert runs_folder() == project / "tune_runs"
        assert store_folder() == project / "mlflow_experiments"
        assert spaces_folder() == project / "search_spaces"


def test_the_nearest_project_counts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "deep" / "search_spaces").mkdir()
    monkeypatch.chdir(project / "deep" / "down")
    assert project_root() == project / "deep"


def test_a_file_called_search_spaces_makes_no_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "deep" / "search_spaces").touch()
    monkeypatch.chdir(project / "deep")
    assert project_root() == project


def test_elsewhere_it_is_the_checkout_of_this_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert project_root() == Path(places.__file__).resolve().parents[1]


def test_installed_elsewhere_it_is_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "__file__", str(tmp_path / "site-packages" / "twinverify" / "places.py"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    assert project_root() == tmp_path / "work"


def test_looking_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "__file__", str(tmp_path / "a" / "b" / "places.py"))
    monkeypatch.chdir(tmp_path)
    runs_folder(), store_folder(), spaces_folder()
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_of_sweeps(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"output .*notes\.txt: is a file; give a folder with output="):
        output_folder(tmp_path / "notes.txt")
    assert output_folder(tmp_path / "new") == tmp_path / "new"
    assert output_folder(None) == runs_folder()
