"""The doctor mends what a plain Ray Tune script left that was killed and restored: through a server, and without."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Store, call, environment, kill_tree, wait_until
from tracking_server import Server

from twinverify.doctor import main

SCRIPT = Path(__file__).with_name("plain_script.py")


def start_script(root: Path) -> "subprocess.Popen[str]":
    quiet = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(root)],
        cwd=root,
        env=environment() | quiet | {"TUNE_GLOBAL_CHECKPOINT_S": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def test_what_a_killed_and_restored_script_left_is_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "server" / "store")

    def reports() -> list[int]:
        return [len(path.read_text().splitlines()) for path in store.folder.glob("*/*/metrics/loss")]

    first = start_script(tmp_path)
    wait_until(lambda: len(reports()) == 2 and min(reports()) >= 3, 200, "both trials have reported")
    kill_tree(first)
    second = start_script(tmp_path)
    out, _ = second.communicate(timeout=300)
    assert second.returncode == 0, out
    assert len(store.runs("plain")) == 4
    values = {run.info.run_id: steps_and_values(store, run.info.run_id) for run in store.runs("plain")}

    def doctor(tracking: str, *words: str) -> tuple[int, str]:
        capsys.readouterr()
        words = (f"tracking={tracking}", "experiment=plain", "stale=1s", f"output={tmp_path}", *words)
        return main(words), capsys.readouterr().out

    told = call("doctor", f"tracking={store.uri}", "experiment=plain", "stale=1s", "format=json", cwd=tmp_path)
    assert told.status == 1, told.err
    found = {each["kind"]: each for each in json.loads(told.out)["findings"]}
    assert {kind: len(each["run_ids"]) for kind, each in found.items()} == {"duplicate": 2, "junk": 4}
    assert "config/lr" in found["junk"]["what"]

    server = Server(tmp_path / "server")
    try:
        server.start()
        status, out = doctor(server.address, "repair=true")
        assert status == 1
        assert "a server has no way to drop metrics" in " ".join(out.split())
    finally:
        server.kill()
    assert len(store.runs("plain")) == 2

    assert doctor(store.uri, "repair=true")[0] == 0
    for run in store.runs("plain"):
        assert run.info.status == "FINISHED"
        assert set(run.data.metrics) == {"loss"}
        assert steps_and_values(store, run.info.run_id) == values[run.info.run_id]
    assert doctor(store.uri) == (0, "experiment plain: 2 runs, nothing to mend\n")


def steps_and_values(store: Store, run_id: str) -> list[tuple[int, float]]:
    """Give the history of the loss."""
    return [(entry.step, entry.value) for entry in store.client.get_metric_history(run_id, "loss")]
