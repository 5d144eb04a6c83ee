"""A file store made by somebody who means ill: what its files say of places outside it is nothing to remove there."""

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from filled_store import Store, trial
from mlflow import MlflowClient

from twinverify.tracking.attach import at_own_run, attach
from twinverify.tracking.finding import find_marked


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder outside the store."""
    folder = tmp_path / "precious"
    (folder / "figures").mkdir(parents=True)
    (folder / "figures" / "old.json").write_text("mine")
    return folder


def folder_of(store: Store) -> Path:
    return Path(store.uri.removeprefix("file://")) / store.experiment


def rewrite(meta: Path, key: str, value: str) -> None:
    lines = [f"{key}: {value}" if line.startswith(f"{key}:") else line for line in meta.read_text().splitlines()]
    meta.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("place", ["file://{}", "{}", "file://{}/figures/.."])
def test_what_lies_where_a_run_says_that_its_files_lie_stays(store: Store, precious: Path, place: str) -> None:
    store.sweep().deliver(trial(0, 1, "completed"))
    (own,) = [run for run in store.runs() if "trial" not in run.data.tags]
    work = attach({"figures/new.json": "{}"})
    assert at_own_run(store.uri, "twins", "s1", [attach({"figures/first.json": "{}"}), work]) is None
    inside = folder_of(store) / own.info.run_id / "artifacts" / "figures"
    assert [path.name for path in inside.iterdir()] == ["new.json"]  # of the store's own, what was there before goes

    rewrite(folder_of(store) / own.info.run_id / "meta.yaml", "artifact_uri", place.format(precious))
    assert at_own_run(store.uri, "twins", "s1", [work]) is None
    assert (precious / "figures" / "old.json").read_text() == "mine"


def test_the_folder_of_a_run_is_its_own_whatever_it_says_of_its_id(store: Store, precious: Path) -> None:
    run = store.client.create_run(store.experiment, start_time=1, run_name="being made").info.run_id
    rewrite(folder_of(store) / run / "meta.yaml", "run_id", "../../precious")
    rewrite(folder_of(store) / run / "meta.yaml", "run_uuid", "../../precious")
    found = find_marked(MlflowClient(store.uri), store.experiment, "sweep_id", "s1").unmarked
    assert set(found.values()) <= {folder_of(store) / run}


@pytest.mark.parametrize("linked", ["run", "experiment"])
def test_runs_behind_a_link_are_not_removed(store: Store, precious: Path, linked: str) -> None:
    store.sweep().deliver(trial(0, 1, "completed"))
    run = folder_of(store) / store.trial(0).info.run_id
    (run / "meta.yaml").write_text("cut off")  # what a kill leaves, and is removed and made anew
    link = run if linked == "run" else run.parent
    shutil.move(link, precious / "moved")
    link.symlink_to(precious / "moved")
    before = sorted(precious.rglob("*"))
    with suppress(Exception):  # MLflow cannot read it either; what counts is what is left
        find_marked(MlflowClient(store.uri), store.experiment, "sweep_id", "s1")
    assert sorted(precious.rglob("*")) == before
