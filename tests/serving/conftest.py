"""A sweep of two trials, trained for an epoch each by the real code, without Ray."""

import shutil
from pathlib import Path

import pytest
from served_sweep import ServedSweep, make_sweep

from twinverify.serving.folder import write_best_folder


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> ServedSweep:
    """A sweep without a model folder yet, which no test changes."""
    return make_sweep(tmp_path_factory.mktemp("served"))


@pytest.fixture
def sweep(finished: ServedSweep, tmp_path: Path) -> ServedSweep:
    """A copy of it, to be changed."""
    shutil.copytree(finished.folder, tmp_path / "runs" / finished.folder.name)
    return ServedSweep(tmp_path / "runs" / finished.folder.name, finished.faces)


@pytest.fixture(scope="session")
def model_folder(finished: ServedSweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its model folder, which no test changes."""
    copy = tmp_path_factory.mktemp("model") / "runs" / finished.folder.name
    shutil.copytree(finished.folder, copy)
    made = write_best_folder(copy)
    assert made is not None
    return made


@pytest.fixture
def model_copy(model_folder: Path, tmp_path: Path) -> Path:
    """A copy of the model folder, to be spoilt."""
    shutil.copytree(model_folder, tmp_path / "model")
    return tmp_path / "model"
