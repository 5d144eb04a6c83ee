"""Stores that cannot be used: one line before anything starts, and nothing lost where a sweep is there already."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Store, Sweep, call, environment
from store_assertions import assert_read_back

from twinverify.environment import prepare
from twinverify.tracking.store import EXPERIMENT, open_experiment

prepare()
# Imported only now: MLflow reads its environment at import.
from mlflow import MlflowClient  # noqa: E402

NEWER, OLDER = "0123456789ab", "451aebb31d03"


def with_schema(revision: str) -> Callable[[Path], str]:
    """Give what makes an SQLite store of another MLflow."""

    def make(folder: Path) -> str:
        uri = f"sqlite:///{folder / 'runs.db'}"
        open_experiment(uri, EXPERIMENT)
        with sqlite3.connect(folder / "runs.db") as database:
            database.execute("UPDATE alembic_version SET version_num = ?", [revision])
        return uri

    return make


def strange_files(folder: Path) -> str:
    uri = (folder / "store").as_uri()
    (folder / "store" / open_experiment(uri, EXPERIMENT) / "meta.yaml").write_text("format: 7\n")
    return uri


def deleted(folder: Path) -> str:
    uri = (folder / "store").as_uri()
    MlflowClient(uri).delete_experiment(open_experiment(uri, EXPERIMENT))
    return uri


BAD = {
    "misspelt": ("tune", lambda _: "sqllite:///runs.db", "did you mean sqlite:///runs.db?"),
    "of a newer MLflow": ("tune", with_schema(NEWER), "written by a newer MLflow than this"),
    "of an older MLflow": ("train", with_schema(OLDER), "mlflow db upgrade sqlite:///"),
    "files of another MLflow": (
        "tune",
        strange_files,
        "a meta.yaml in it is damaged, or was written by another MLflow",
    ),
    "deleted experiment": ("train", deleted, "was deleted in the MLflow UI"),
    "no driver": ("ui", lambda _: "mysql+nodriver://me:secret@127.0.0.1/runs", "pip install -c constraints.txt -e"),
    "database away": ("ui", lambda _: "postgresql://me:secret@127.0.0.1:9/runs", "Connection refused"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_store_that_cannot_be_used_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    command, make, told = BAD[case]
    words = [f"tracking={make(tmp_path)}", f"experiment={EXPERIMENT}"]
    words += [] if command == "ui" else ["config=tiny", "output=out", "cache=cache"]
    words += ["space=glca_heads"] if command == "tune" else []
    before = {path for path in tmp_path.rglob("*") if "runs.db-" not in path.name}

    done = call(command, *words, cwd=tmp_path)

    assert (done.status, done.out) == (2, ""), (done.out, done.err)
    assert done.err.count("\n") == 1, done.err
    assert told in done.err
    assert "secret" not in done.err
    assert {path for path in tmp_path.rglob("*") if "runs.db-" not in path.name} == before


def test_a_read_only_place_is_refused_in_one_line(small_disk: tuple[Path, object], tmp_path: Path) -> None:
    disk, _ = small_disk
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    for place in (f"{disk}/store", f"sqlite:///{disk}/runs.db"):
        done = call("tune", "space=glca_heads", f"tracking={place}", "output=runs", cwd=tmp_path)

        assert (done.status, done.out, done.err.count("\n")) == (2, "", 1), (done.out, done.err)
        assert f"no permission to write to {disk}; choose another with tracking=FOLDER" in done.err


def test_a_sweep_whose_experiment_was_deleted_comes_to_its_end_and_is_delivered_when_it_is_back(
    sweep: Sweep, tmp_path: Path
) -> None:
    shutil.copytree(sweep.folder, tmp_path / "runs" / "glca_heads")
    store = Store(tmp_path / "my store")
    number = open_experiment(store.uri, EXPERIMENT)
    resume = ("tune", "resume=glca_heads", "output=runs", f"tracking={store.uri}")
    assert call(*resume, cwd=tmp_path).status == 0
    store.client.delete_experiment(number)

    gone = call(*resume, "trials=8", cwd=tmp_path)

    assert (gone.status, gone.err) == (1, ""), (gone.out, gone.err)
    assert len(re.findall("Not delivered to MLflow", gone.out)) == 1
    told = re.search(
        r"Note: .* was deleted in the MLflow UI; bring it back with (.*), or name another.*results wait", gone.out
    )
    assert told, gone.out
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(told[1], shell=True, check=True, cwd=tmp_path, env=environment() | {"PATH": path})
    assert call(*resume, cwd=tmp_path).status == 0
    everything = Sweep(gone, tmp_path / "runs" / "glca_heads", store, ())
    assert_read_back(everything, "val/twin_eer", space="glca_heads", dataset="synthetic")


def test_a_full_disk_under_the_artifacts_loses_nothing(
    sweep: Sweep, small_disk: tuple[Path, Callable[[int], None]], tmp_path: Path
) -> None:
    disk, resize = small_disk
    shutil.copytree(sweep.folder, tmp_path / "runs" / "glca_heads")
    store = Store(tmp_path / "store")
    store.client.create_experiment(EXPERIMENT, disk.as_uri())
    resize(3 * os.sysconf("SC_PAGE_SIZE"))  # two configurations
    resume = ("tune", "resume=glca_heads", "output=runs", f"tracking={store.uri}")

    full = call(*resume, cwd=tmp_path)

    assert (full.status, full.err) == (1, ""), (full.out, full.err)
    assert re.search(r"Not delivered to MLflow: \d trials \(No space left on device\); deliver later with", full.out)
    resize(64 * 2**20)
    assert call(*resume, cwd=tmp_path).status == 0
    everything = Sweep(full, tmp_path / "runs" / "glca_heads", store, ())
    assert_read_back(everything, "val/twin_eer", space="glca_heads", dataset="synthetic")
