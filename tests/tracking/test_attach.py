"""Files at the sweep's own run: put there once, replaced the next time, and no outage that raises."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pandas
import pytest
from filled_store import Store, trial

from twinverify.tracking.attach import PATIENCE, at_own_run, described, patience_for, table
from twinverify.tracking.attach import attach as attached


def attach(uri: str, sweep_id: str, files: Mapping[str, str | Path]) -> str | None:
    return at_own_run(uri, "twins", sweep_id, [attached(files)])


@pytest.fixture
def swept(store: Store) -> Store:
    """A store with two finished sweeps of two trials each."""
    for sweep_id in ("s1", "s2"):
        runs = store.sweep(sweep_id)
        for number in range(2):
            runs.deliver(trial(number, 2, "completed"))
        runs.artifact("seed: 0\n", "best.yaml")
        runs.finish("FINISHED", {}, {})
    return store


def own_run(store: Store, sweep_id: str) -> str:
    [run] = [run for run in store.runs(f"tags.sweep_id = '{sweep_id}'") if "trial" not in run.data.tags]
    return str(run.info.run_id)


def artifacts(store: Store, sweep_id: str) -> dict[str, str]:
    place = Path(store.client.get_run(own_run(store, sweep_id)).info.artifact_uri.removeprefix("file://"))
    return {str(path.relative_to(place)): path.read_text() for path in sorted(place.rglob("*")) if path.is_file()}


def test_texts_and_files_lie_at_the_sweeps_own_run_and_nowhere_else(swept: Store, tmp_path: Path) -> None:
    before = swept.files()
    (tmp_path / "report.html").write_text("<p>page")

    told = attach(swept.uri, "s1", {"report.html": tmp_path / "report.html", "figures/history.json": "{}"})

    assert told is None
    assert artifacts(swept, "s1") == {
        "best.yaml": "seed: 0\n",
        "figures/history.json": "{}",
        "report.html": "<p>page",
    }
    added = swept.files().keys() - before.keys()
    assert {Path(path).name for path in added} == {"report.html", "history.json"}
    assert {path: content for path, content in swept.files().items() if path in before} == before


def test_the_next_ones_take_the_place_of_the_last(swept: Store) -> None:
    attach(swept.uri, "s1", {"figures/a.json": "1", "figures/old/b.json": "1", "note.txt": "1"})
    assert attach(swept.uri, "s1", {"figures/a.json": "2", "figures/c.json": "2"}) is None
    # What lies in no folder of the new ones is somebody else's.
    assert artifacts(swept, "s1") == {
        "best.yaml": "seed: 0\n",
        "figures/a.json": "2",
        "figures/c.json": "2",
        "note.txt": "1",
    }


def test_nothing_of_a_run_but_its_files_changes(swept: Store) -> None:
    before = swept.client.get_run(own_run(swept, "s1"))
    attach(swept.uri, "s1", {"figures/a.json": "1"})
    after = swept.client.get_run(own_run(swept, "s1"))
    assert (after.info.status, after.data.tags, after.info.end_time) == (
        before.info.status,
        before.data.tags,
        before.info.end_time,
    )
    assert len(swept.runs()) == 6


def test_a_sweep_without_a_run_is_a_reason(swept: Store) -> None:
    assert attach(swept.uri, "s3", {"a.txt": "1"}) == "the sweep has no run there"


def test_a_trials_run_is_not_the_sweeps_own(swept: Store) -> None:
    swept.client.delete_run(own_run(swept, "s1"))
    assert attach(swept.uri, "s1", {"a.txt": "1"}) == "the sweep has no run there"


def test_a_server_that_is_away_is_a_reason() -> None:
    told = attach("http://127.0.0.1:9", "s1", {"a.txt": "1"})
    assert told is not None
    assert "no server answers" in told


def test_a_full_disk_is_a_reason(swept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlflow.MlflowClient.log_text", full)
    assert attach(swept.uri, "s1", {"a.txt": "1"}) == "No space left on device"


def test_a_store_that_takes_too_long_is_not_waited_for(swept: Store) -> None:
    began = time.monotonic()
    told = at_own_run(swept.uri, "twins", "s1", [lambda client, run_id: time.sleep(2)], patience=0.2)
    assert told == "it takes too long"
    assert time.monotonic() - began < 1.5


def test_a_large_folder_is_waited_for_longer(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    assert patience_for(tmp_path) == PATIENCE
    for name, size in (("a", 30_000_000), ("artifacts/b", 5_000_000)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    assert patience_for(tmp_path) == PATIENCE + 35


def test_a_table_stands_in_place_of_the_last_one_and_the_ui_is_told_of_it_once(swept: Store) -> None:
    run_id = own_run(swept, "s1")
    for rows in ([[1, 0.5]], [[1, 0.25], [2, 0.5]]):
        table("leaderboard.json", ["rank", "val/twin_eer"], rows)(swept.client, run_id)
    # As MLflow's own `load_table` reads it, which would ask the process's own tracking address for the run.
    found = pandas.read_json(swept.client.download_artifacts(run_id, "leaderboard.json"), orient="split")
    assert found.columns.tolist() == ["rank", "val/twin_eer"]
    assert found.values.tolist() == [[1, 0.25], [2, 0.5]]
    told = json.loads(swept.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert told == [{"path": "leaderboard.json", "type": "table"}]


def test_a_description_that_a_database_would_cut_ends_at_a_line(swept: Store) -> None:
    run_id = own_run(swept, "s1")
    described("\n".join(f"| {number} | {'x' * 50} |" for number in range(500)))(swept.client, run_id)
    note = swept.client.get_run(run_id).data.tags["mlflow.note.content"]
    assert 7_000 < len(note) <= 7_500
    assert note.splitlines()[-1] == "…"
    assert note.splitlines()[-2].endswith(" |")
