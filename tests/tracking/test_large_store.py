"""When a file store is said to be large, and by which command it is moved."""

from pathlib import Path

import pytest

from twinverify.tracking import large_store
from twinverify.tracking.large_store import advice


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file store of three runs in two experiments, with a name that a shell would cut."""
    monkeypatch.setattr(large_store, "MANY_RUNS", 2)
    for run in ("1/a", "1/b", "22/c"):
        (tmp_path / "my store" / run).mkdir(parents=True)
        (tmp_path / "my store" / run / "meta.yaml").touch()
    return tmp_path / "my store"


def test_a_large_file_store_is_told_the_command_that_moves_it(store: Path) -> None:
    told = advice(store.as_uri())
    assert told
    assert told.startswith("3 runs in plain files")
    database = store.parent / "mlflow_runs.db"
    assert f"named by tracking=sqlite:///{database} from then on" in told
    assert told.endswith(f" mlflow migrate-filestore --source '{store}' --target sqlite:///{database}")


def test_of_a_small_store_nothing_is_said(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_store, "MANY_RUNS", 3)
    assert advice(store.as_uri()) is None


@pytest.mark.parametrize("uri", ["sqlite:////runs.db", "http://127.0.0.1:5000"])
def test_other_stores_are_not_counted(uri: str) -> None:
    assert advice(uri) is None
