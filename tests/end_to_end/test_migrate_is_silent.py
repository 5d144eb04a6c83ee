"""`migrate` in a process of its own, as strace sees it: nothing is sent, and nobody is asked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Store, environment

#: What a project of 2024 left, as far as a run of no records tells it: the package is imported, the files are read.
CONFIG = "lr:\n  desc: null\n  value: 0.1\n"


def test_nothing_is_sent_or_asked(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    run = tmp_path / "wandb" / "run-20240101_000000-xyz"
    (run / "files").mkdir(parents=True)
    (run / "run-xyz.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    (run / "files" / "config.yaml").write_text(CONFIG)
    store, seen = Store(tmp_path / "store"), tmp_path / "seen.txt"
    words = [sys.executable, "-m", "twinverify.migrate", "from=.", f"tracking={store.uri}"]
    done = subprocess.run(
        [strace, "-f", "-qq", "-e", "trace=network", "-o", str(seen), *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "1 new run" in done.stdout
    assert [run.data.params for run in store.runs("wandb")] == [{"lr": "0.1"}]
    calls = [line for line in seen.read_text().splitlines() if re.search(r"\((.*)AF_(INET|NETLINK|PACKET)", line)]
    # urllib3, which MLflow's client imports, looks whether this machine has IPv6 by binding a socket to loopback.
    assert [line for line in calls if not re.search(r"\bsocket\(|\bbind\(.*\"::1\"", line)] == []
    assert not [line for line in seen.read_text().splitlines() if re.search(r"\b(connect|send\w*)\(.*AF_INET", line)]
