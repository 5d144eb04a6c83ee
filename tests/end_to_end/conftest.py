import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from command_line import SMALL, Finished, Store, Sweep, call
from filelock import FileLock

pytest.register_assert_rewrite("store_assertions")

SWEEP = ("space=glca_heads", "trials=8", "epochs=4", "concurrency=1", "tensorboard=true")


@pytest.fixture(scope="session")
def sweep(shared_folder: Path) -> Sweep:
    """One sweep on synthetic twins through the command line, with one slot so that it can be repeated exactly.

    Whichever of the test processes asks first runs it; all read it.
    """
    root = shared_folder / "sweep"
    store = Store(root / "store")
    words = ("tune", *SWEEP, "output=runs", f"tracking={store.uri}", *SMALL)
    with FileLock(shared_folder / "sweep.lock"):
        done = root / "finished.json"
        if not done.exists():
            root.mkdir()
            finished = call(*words, "results=true", cwd=root, timeout=400)
            done.write_text(json.dumps(asdict(finished)))
    return Sweep(Finished(**json.loads(done.read_text())), root / "runs" / "glca_heads", store, words)


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
