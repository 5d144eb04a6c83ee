import pytest
from command_line import SMALL, Store, Sweep, call

pytest.register_assert_rewrite("store_assertions")


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """One sweep on synthetic twins through the command line, with one slot so that it can be repeated exactly."""
    root = tmp_path_factory.mktemp("sweep")
    store = Store(root / "store")
    words = (
        "tune",
        "space=glca_heads",
        "trials=8",
        "epochs=4",
        "concurrency=1",
        "output=runs",
        f"tracking={store.uri}",
        "tensorboard=true",
        *SMALL,
    )
    return Sweep(call(*words, "results=true", cwd=root, timeout=400), root / "runs" / "glca_heads", store, words)
