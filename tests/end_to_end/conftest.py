import json
from dataclasses import asdict
from pathlib import Path

import pytest
from command_line import SMALL, Finished, Store, Sweep, call
from filelock import FileLock

pytest.register_assert_rewrite("store_assertions")

WORDS = ("tune", "space=glca_heads", "trials=8", "epochs=4", "concurrency=1", "output=runs", *SMALL)


@pytest.fixture(scope="session")
def sweep(shared_folder: Path) -> Sweep:
    """One sweep on synthetic twins through the command line, with one slot so that it can be repeated exactly.

    Whichever of the test processes asks first runs it; all read it.
    """
    root = shared_folder / "sweep"
    store = Store(root / "store")
    words = (*WORDS, f"tracking={store.uri}")
    with FileLock(shared_folder / "sweep.lock"):
        done = root / "finished.json"
        if not done.exists():
            root.mkdir()
            finished = call(*words, "results=true", cwd=root, timeout=400)
            done.write_text(json.dumps(asdict(finished)))
    return Sweep(Finished(**json.loads(done.read_text())), root / "runs" / "glca_heads", store, words)
