"""What the folder and the MLflow store of every finished sweep have to tell, whatever it searched and on what."""

import json
from typing import Any

from command_line import Sweep

from twinverify.config import flatten, load_config

#: How a trial's end in the journal reads as the status of its run.
STATUS = {"completed": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


def journal(sweep: Sweep) -> list[dict[str, Any]]:
    """Give the events of a sweep's trials."""
    entries = [json.loads(line) for line in (sweep.folder / "journal.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["event"] != "planned"]


def of_trials(sweep: Sweep, event: str) -> dict[int, dict[str, Any]]:
    """Give each trial's last event of one kind."""
    return {entry["trial"]: entry for entry in journal(sweep) if entry["event"] == event}


def ends(sweep: Sweep) -> dict[int, str]:
    """Give how each trial ended: completed, pruned or failed."""
    return {entry["trial"]: entry.get("then", entry["event"]) for entry in journal(sweep)}


def assert_one_run_a_trial_below_one_parent(sweep: Sweep) -> None:
    """Each trial has one run, in the order of their numbers, and their parent bears the sweep's name."""
    runs, trials = sweep.store.runs(), sweep.store.trials()
    assert [int(run.data.tags["trial"]) for run in trials] == sorted(of_trials(sweep, "drawn"))
    (parent,) = [run for run in runs if "trial" not in run.data.tags]
    assert len(runs) == len(trials) + 1
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == sweep.folder.name


def assert_every_metric_has_each_epoch_once(sweep: Sweep, *needed: str) -> None:
    """Step = epoch from 1, without gap or repeat; nothing but our own metrics."""
    reported = of_trials(sweep, "reported")
    for run in sweep.store.trials():
        number = int(run.data.tags["trial"])
        epochs = reported[number]["epoch"] if number in reported else 0
        wanted = {"train/loss", "train/lr", "train/images_per_second", "val/general_eer", *needed}
        assert set(run.data.metrics) >= (wanted if epochs else set())
        for metric in run.data.metrics:
            assert metric.startswith(("train/", "val/", "system/")), metric
            assert sweep.store.steps(run, metric) == list(range(1, epochs + 1)), (number, metric)


def assert_tags_and_statuses(sweep: Sweep, *, space: str, dataset: str) -> None:
    """Every run has the tags of the contract, and tells truly how its trial ended."""
    ended = ends(sweep)
    for run in sweep.store.trials():
        tags = run.data.tags
        told = {"sweep": sweep.folder.name, "space": space, "model_type": "dcal", "dataset": dataset}
        assert {name: tags[name] for name in told} == told
        assert int(tags["dataset_size"]) > 0
        assert tags["gpu_type"]
        assert tags["git_commit"]
        assert tags["trial_state"] == ended[int(tags["trial"])]
        assert run.info.status == STATUS[tags["trial_state"]]


def assert_parameters_are_the_drawn_values(sweep: Sweep) -> None:
    """The parameters are what was drawn; the whole configuration is an artifact."""
    drawn = of_trials(sweep, "drawn")
    for run in sweep.store.trials():
        values = drawn[int(run.data.tags["trial"])]["values"]
        assert run.data.params == {key: str(value) for key, value in values.items()}
        config = flatten(load_config(sweep.store.client.download_artifacts(run.info.run_id, "config.yaml")))
        assert {key: config[key] for key in values} == values


def assert_read_back(sweep: Sweep, *needed: str, space: str, dataset: str) -> None:
    """All of the above."""
    assert_one_run_a_trial_below_one_parent(sweep)
    assert_every_metric_has_each_epoch_once(sweep, *needed)
    assert_tags_and_statuses(sweep, space=space, dataset=dataset)
    assert_parameters_are_the_drawn_values(sweep)
