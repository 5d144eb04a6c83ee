"""A tracking server that is killed while others work: they go on, and it gets everything, once, when it is back."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_line import SMALL, Finished, Sweep, kill_tree, start, wait_until
from store_assertions import assert_read_back
from tracking_server import Server

TRAINING = "twin-verification-training"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server")
    made.start()
    yield made
    made.kill()


def reports(folder: Path) -> int:
    """Give how many epochs the journal of a sweep holds."""
    path = folder / "journal.jsonl"
    return path.read_text().count('"reported"') if path.exists() else 0


def finished(process: "subprocess.Popen[str]", timeout: float = 120) -> Finished:
    """Wait for a command."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            kill_tree(process)
    return Finished(process.returncode, out, err, 0)


def watched(*words: str, cwd: Path) -> tuple[Finished, set[str]]:
    """Run a command to its end; gives the names of the processes that it started, too."""
    process, seen = start(*words, cwd=cwd), set()
    while process.poll() is None:
        try:
            seen |= {child.name() for child in psutil.Process(process.pid).children(recursive=True)}
        except psutil.NoSuchProcess:
            continue
    return finished(process), seen


def test_a_sweep_goes_on_without_its_server_which_gets_all_of_it_when_it_is_back(
    server: Server, tmp_path: Path
) -> None:
    # Long enough for a server to start in the meantime.
    small = ("trials=2", "epochs=40", "scheduler=none", "concurrency=1", "output=runs", *SMALL)
    process = start("tune", "space=glca_heads", *small, f"tracking={server.address}", cwd=tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    wait_until(lambda: reports(folder) >= 2, 120, "the first reports")
    server.kill()
    before = reports(folder)
    wait_until(lambda: reports(folder) >= before + 4, 120, "reports without the server")
    assert process.poll() is None
    server.start()
    done = finished(process)
    assert done.status == 0, (done.out, done.err)
    assert done.err == ""
    assert len(re.findall(r"MLflow is away \(.+\)", done.out)) == 1, done.out
    assert len(re.findall(r"MLflow is back", done.out)) == 1, done.out
    assert "Not delivered" not in done.out
    assert_read_back(Sweep(done, folder, server.store, ()), "val/twin_eer", space="glca_heads", dataset="synthetic")


def test_what_a_server_that_stays_away_lacks_is_delivered_by_the_commands_that_are_told(
    sweep: Sweep, server: Server, tmp_path: Path
) -> None:
    train = ("train", "config=tiny", "epochs=40", "threads=1", *SMALL, "output=out", "cache=cache")
    train = (*train, f"tracking={server.address}")
    training = start(*train, cwd=tmp_path)
    shutil.copytree(sweep.folder, tmp_path / "runs" / "glca_heads")
    resume = ("tune", "resume=glca_heads", "output=runs")
    # An ended sweep is delivered to any store that it is given.
    moved = finished(start(*resume, f"tracking={server.address}", cwd=tmp_path))
    assert moved.status == 0, (moved.out, moved.err)
    wait_until(lambda: epochs(tmp_path / "out") >= 3, 120, "three epochs of the training")
    server.kill()
    assert training.poll() is None
    server.lose_everything()

    ended = finished(start(*resume, cwd=tmp_path))
    trained = finished(training)
    away = f"tracking {server.address}: no server answers (Connection refused); training goes on"
    assert away in ended.out
    assert "Not delivered to MLflow: 8 trials (no server answers (Connection refused));" in ended.out, ended.out
    assert "MLflow is away" in trained.out
    assert "Not delivered to MLflow (no server answers (Connection refused));" in trained.out, trained.out
    for done, words in ((ended, "tune resume=glca_heads"), (trained, " ".join(train))):
        assert (done.status, done.err) == (1, "")
        told = re.search(r"deliver later with: (.*)", done.out)
        assert told
        assert told[1].startswith(f"python -m twinverify.{words}")
    assert epochs(tmp_path / "out") == 40

    server.start()
    again, processes = watched(*resume, cwd=tmp_path)
    assert again.status == 0, (again.out, again.err)
    assert not [name for name in processes if "raylet" in name or "gcs" in name]
    everything = Sweep(again, tmp_path / "runs" / "glca_heads", server.store, ())
    assert_read_back(everything, "val/twin_eer", space="glca_heads", dataset="synthetic")
    taken_up = finished(start(*train, cwd=tmp_path))
    assert taken_up.status == 0, (taken_up.out, taken_up.err)
    (run,) = server.store.runs(TRAINING)
    assert run.info.status == "FINISHED"
    for metric in ("train/loss", "val/twin_eer", "train/images_per_second"):
        assert server.store.steps(run, metric) == list(range(1, 41)), metric


def epochs(folder: Path) -> int:
    """Give the last epoch that a training's folder tells of."""
    path = folder / "last.json"
    return int(json.loads(path.read_text())["epoch"]) if path.exists() else 0
