"""What the runs of a whole sweep, and TensorBoard's files of it, hold beside the metrics."""

import json
from typing import Any

import pandas
from command_line import Sweep
from mlflow.entities import Run
from PIL import Image
from store_assertions import of_trials
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from twinverify.faces.pictures import epoch_of

OBJECTIVE = "val/twin_eer"


def artifacts(sweep: Sweep, run: Run) -> set[str]:
    return {file.path for file in sweep.store.client.list_artifacts(run.info.run_id)}


def fetched(sweep: Sweep, run: Run, name: str) -> str:
    return str(sweep.store.client.download_artifacts(run.info.run_id, name))


def parent_of(sweep: Sweep) -> Run:
    (parent,) = [run for run in sweep.store.runs() if "trial" not in run.data.tags]
    return parent


def best_epoch(reports: list[dict[str, Any]]) -> int:
    return min((each["metrics"][OBJECTIVE], each["epoch"]) for each in reports)[1]


def reports_of(sweep: Sweep, number: int) -> list[dict[str, Any]]:
    lines = map(json.loads, (sweep.folder / "journal.jsonl").read_text().splitlines())
    return [each for each in lines if each["event"] == "reported" and each["trial"] == number]


def test_each_trial_has_data_log_packages_and_the_pictures_of_its_best_epoch(sweep: Sweep) -> None:
    for run in sweep.store.trials():
        number = int(run.data.tags["trial"])
        assert artifacts(sweep, run) - {"git.diff"} == {
            "config.yaml",
            "log.txt",
            "versions.txt",
            "rollout.png",
            "roc.png",
        }
        best = best_epoch(reports_of(sweep, number))
        assert [epoch_of(sweep.folder / f"{number:05d}" / name) for name in ("rollout.png", "roc.png")] == [best, best]
        with Image.open(fetched(sweep, run, "rollout.png")) as picture:
            assert picture.height > 320  # synthetic twins: the faces stand above the maps
        told = {each.tags[0].value: json.loads(each.dataset.profile) for each in run.inputs.dataset_inputs}
        assert told["training"]["images"] == int(run.data.tags["dataset_size"])
        assert told["validation"]["twin_pairs"] > 0


def test_each_trials_log_tells_each_epoch_once(sweep: Sweep) -> None:
    for number, last in of_trials(sweep, "reported").items():
        log = (sweep.folder / f"{number:05d}" / "log.txt").read_text()
        told = [line for line in log.splitlines() if " INFO epoch " in line]
        assert len(told) == last["epoch"], log


def test_each_report_tells_what_the_machine_did(sweep: Sweep) -> None:
    for run in sweep.store.trials():
        names = {name for name in run.data.metrics if name.startswith("system/")}
        machine = {"system/memory_mib", "system/cpu_utilization_percentage", "system/system_memory_usage_megabytes"}
        own = machine | {"system/epoch_seconds"}
        assert names >= own
        assert names - own <= {name for name in names if "gpu_" in name}
        assert 0 <= run.data.metrics["system/cpu_utilization_percentage"] <= 100


def test_the_parent_has_leaderboard_description_report_space_and_log(sweep: Sweep) -> None:
    parent = parent_of(sweep)
    wanted = {"leaderboard.json", "report.html", "space.yaml", "best.yaml", "log.txt", "versions.txt"}
    assert artifacts(sweep, parent) >= wanted
    table = pandas.read_json(fetched(sweep, parent, "leaderboard.json"), orient="split")
    assert sorted(table["trial"]) == list(range(8))
    assert table["rank"].tolist() == list(range(1, 9))
    assert str(table["trial"][0]) == parent.data.tags["best_trial"]
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("Best: trial ")
    assert "| `model.glca.heads` |" in note
    assert len(parent.inputs.dataset_inputs) == 2


def test_tensorboard_reads_the_same_curves_with_picture_and_graph(sweep: Sweep) -> None:
    for run in sweep.store.trials():
        number = int(run.data.tags["trial"])
        read = EventAccumulator(str(sweep.folder / f"{number:05d}"))
        read.Reload()
        assert set(read.Tags()["scalars"]) == set(run.data.metrics)
        found = [(each.step, round(each.value, 5)) for each in read.Scalars(OBJECTIVE)]
        assert found == [(each["epoch"], round(each["metrics"][OBJECTIVE], 5)) for each in reports_of(sweep, number)]
        (picture,) = read.Images("rollout")
        assert picture.step == best_epoch(reports_of(sweep, number))
        assert any("patch_embed" in node.name for node in read.Graph().node)
