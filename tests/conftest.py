"""What all tests share: one thread (the machine's few cores are busy enough), and the real faces where they lie."""

import os
from pathlib import Path

import pytest

# Before NumPy or torch is imported anywhere: results do not depend on the thread count, the time of other tests does.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

REPO = Path(__file__).resolve().parents[1]

# What a test starts is this checkout, installed or not.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(REPO), os.environ.get("PYTHONPATH")]))


@pytest.fixture(autouse=True)
def _nothing_of_the_users_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a tracking server that the developer has set from being written to."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder that all test processes of this run share: with pytest-xdist each has a folder of its own in it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def orl() -> Path:
    """The ORL faces (40 people, 10 images each) in the folder beside the checkout."""
    folder = REPO.parent / "shared" / "faces" / "orl"
    if not folder.is_dir():
        pytest.skip(f"the real faces are not at {folder}")
    return folder
