import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filled_store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def wandb_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder: its script logged two runs with the real `wandb`, offline, and was killed in the second."""
    folder = tmp_path_factory.mktemp("project")
    own = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    # What it keeps for itself goes nowhere else.
    places = {f"WANDB_{name}_DIR": str(folder / "home") for name in ("CACHE", "CONFIG", "DATA", "ARTIFACT")}
    script = Path(__file__).with_name("wandb_script.py")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=os.environ | own | places | {"HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return folder
