"""A file store moved into SQLite by the command that is printed: the sweep goes on there, with the runs that it had."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from command_line import Store, Sweep, call, environment
from store_assertions import assert_read_back
from tracking_server import Served
from ui_command import link, ui

from twinverify.tracking.large_store import move_command


def test_a_sweep_goes_on_in_sqlite_with_the_same_runs(sweep: Sweep, tmp_path: Path) -> None:
    shutil.copytree(sweep.folder, tmp_path / "runs" / "glca_heads")
    files = Store(tmp_path / "my store")
    shutil.copytree(sweep.store.folder, files.folder)
    for meta in files.folder.rglob("meta.yaml"):
        meta.write_text(meta.read_text().replace(sweep.store.folder.as_uri(), files.folder.as_uri()))
    before = {run.info.run_id: run.data.metrics for run in files.runs()}
    tools = environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    command = move_command(files.folder, tmp_path / "moved.db")
    subprocess.run(command, shell=True, check=True, capture_output=True, cwd=tmp_path, env=tools)
    address = f"sqlite:///{tmp_path / 'moved.db'}"
    done = call("tune", "resume=glca_heads", "output=runs", f"tracking={address}", cwd=tmp_path)

    assert (done.status, done.err) == (0, ""), (done.out, done.err)
    moved = Served(tmp_path, address)
    assert {run.info.run_id: run.data.metrics for run in moved.runs()} == before
    everything = Sweep(done, tmp_path / "runs" / "glca_heads", moved, ())
    assert_read_back(everything, "val/twin_eer", space="glca_heads", dataset="synthetic")
    with ui(tmp_path, f"tracking={address}", "sweep=glca_heads", "port=5740") as (_, text):
        shown = Served(tmp_path, link(text).partition("/#")[0])
        assert {run.info.run_id for run in shown.runs()} == set(before)
    assert re.search(r"Look at the trials in MLflow: .*tracking=sqlite:///", done.out)
