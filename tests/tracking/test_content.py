"""What a run holds beside its metrics: data, files, once each, and again where a store lost them."""

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from filled_store import Store, trial
from mlflow import MlflowClient
from mlflow.entities import Run

from twinverify.tracking.dataset import SideFacts
from twinverify.tracking.runs import SweepRuns

COUNTS = {"people": 62, "families": 31, "images": 248, "twin_pairs": 31}
SIDES = (
    SideFacts("nd_twins", "training", "0123456789abcdef", COUNTS),
    SideFacts("nd_twins", "validation", "fedcba9876543210", COUNTS | {"people": 13}),
)


class Opened:
    """Opens a sweep's runs with content, as a new process would, and counts how often its files are asked for."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.asked = store, folder, 0
        for name in ("log.txt", "roc.png"):
            (folder / name).write_text(name)

    def __call__(self) -> SweepRuns:
        return SweepRuns(
            MlflowClient(self.store.uri),
            self.store.experiment,
            sweep_id="s1",
            name="glca_heads",
            tags={},
            description="",
            config=lambda number: "seed: 0\n",
            data=self.data,
            files=self.files,
        )

    def data(self, number: int) -> Sequence[SideFacts]:
        return SIDES

    def files(self, number: int) -> Iterable[Path]:
        self.asked += 1
        return sorted(self.folder.glob("*.*"))


@pytest.fixture
def opened(store: Store, tmp_path: Path) -> Opened:
    (tmp_path / "trial").mkdir()
    return Opened(store, tmp_path / "trial")


def artifacts(store: Store, run: Run) -> list[str]:
    return sorted(file.path for file in store.client.list_artifacts(run.info.run_id))


def told_of_data(run: Run) -> dict[str, dict[str, Any]]:
    found = run.inputs.dataset_inputs
    assert len(found) == len({each.dataset.digest for each in found})
    return {each.tags[0].value: json.loads(each.dataset.profile) for each in found}


def test_a_run_tells_its_data_from_its_first_report_on(store: Store, opened: Opened) -> None:
    opened().deliver(trial())
    assert store.trial(0).inputs.dataset_inputs == []
    opened().deliver(trial(epochs=1))
    assert told_of_data(store.trial(0)) == {"training": COUNTS, "validation": COUNTS | {"people": 13}}


def test_the_data_is_told_once_however_often_the_sweep_goes_on(store: Store, opened: Opened) -> None:
    for epochs in (1, 2, 3):
        opened().deliver(trial(epochs=epochs))
    opened().deliver(trial(epochs=3, state="completed"))
    assert len(told_of_data(store.trial(0))) == 2


def test_the_data_tells_digest_and_counts_and_no_place_or_person(store: Store, opened: Opened) -> None:
    opened().deliver(trial(epochs=1))
    for each in store.trial(0).inputs.dataset_inputs:
        assert (each.dataset.name, each.dataset.source_type) == ("nd_twins", "code")
        assert json.loads(each.dataset.source) == {"tags": {"twinverify.data": "nd_twins"}}
        assert len(each.dataset.digest) == 16
        assert each.dataset.schema is None


def test_files_are_attached_when_the_trial_has_ended_and_not_before(store: Store, opened: Opened) -> None:
    runs = opened()
    runs.deliver(trial(epochs=2))
    assert artifacts(store, store.trial(0)) == ["config.yaml"]
    runs.deliver(trial(epochs=2, state="pruned"))
    assert artifacts(store, store.trial(0)) == ["config.yaml", "log.txt", "roc.png"]


def test_files_of_an_ended_trial_are_not_sent_again(store: Store, opened: Opened) -> None:
    ended = trial(epochs=2, state="completed")
    opened().deliver(ended)
    opened().deliver(ended)
    assert opened.asked == 1


def test_files_are_sent_again_where_the_end_was_cut_off(
    store: Store, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended, runs = trial(epochs=2, state="completed"), opened()
    with monkeypatch.context() as cut:
        cut.setattr(MlflowClient, "set_terminated", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        with pytest.raises(OSError, match="killed"):
            runs.deliver(ended)
    (opened.folder / "roc.png").write_text("drawn anew")
    opened().deliver(ended)
    run = store.trial(0)
    assert artifacts(store, run) == ["config.yaml", "log.txt", "roc.png"]
    assert Path(store.client.download_artifacts(run.info.run_id, "roc.png")).read_text() == "drawn anew"


def test_a_trial_that_goes_on_after_its_end_gets_its_files_anew(store: Store, opened: Opened) -> None:
    runs = opened()
    runs.deliver(trial(epochs=1, state="failed", cause="out of GPU memory"))
    runs.deliver(trial(epochs=1))
    runs.deliver(trial(epochs=2, state="completed"))
    assert opened.asked == 2


def test_lost_artifacts_of_an_ended_run_come_back(store: Store, opened: Opened) -> None:
    ended = trial(epochs=2, state="completed")
    opened().deliver(ended)
    place = Path(store.trial(0).info.artifact_uri.removeprefix("file://"))
    shutil.rmtree(place)
    place.mkdir()
    opened().deliver(ended)
    assert artifacts(store, store.trial(0)) == ["config.yaml", "log.txt", "roc.png"]


@pytest.mark.parametrize("cut", ["dataset", "input"])
def test_a_kill_while_the_data_is_told_spoils_no_run(store: Store, opened: Opened, cut: str) -> None:
    """The file store makes a folder, then the file in it."""
    opened().deliver(trial(epochs=1))
    root = Path(store.uri.removeprefix("file://")) / store.experiment
    run = store.trial(0).info.run_id
    parts = root / "datasets" if cut == "dataset" else root / run / "inputs"
    spoilt = sorted(parts.iterdir())[0]
    (spoilt / "meta.yaml").write_text("")
    if cut == "dataset":
        shutil.rmtree(root / run / "inputs")  # it is written after the data set
        os.utime(spoilt, (1, 1))
    opened().deliver(trial(epochs=2))
    assert told_of_data(store.trial(0)) == {"training": COUNTS, "validation": COUNTS | {"people": 13}}


def test_the_parent_run_holds_data_and_files_once_however_often_it_ends(store: Store, opened: Opened) -> None:
    for _ in range(2):
        runs = opened()
        runs.deliver(trial(epochs=2, state="completed"))
        runs.attach([opened.folder / "log.txt"], SIDES)
    (parent,) = [run for run in store.runs() if "trial" not in run.data.tags]
    assert artifacts(store, parent) == ["log.txt"]
    assert len(told_of_data(parent)) == 2
