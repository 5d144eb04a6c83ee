import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

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
        *SMALL,
    )
    return Sweep(call(*words, "results=true", cwd=root, timeout=400), root / "runs" / "glca_heads", store, words)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """Give a disk of its own, and what sets its size in bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "twinverify-test", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)

    try:
        yield place, resize
    finally:
        # Also from under a process that a failure left there.
        subprocess.run(["umount", "--lazy", str(place)], check=True)
