"""What a sweep finds in the store and cannot leave as it is: duplicates, what it never told, what a kill cut off."""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from filled_store import EER, LOSS, Store, expected, trial
from mlflow import MlflowClient
from mlflow.entities import Metric, Run

from twinverify.search.state import Trial


def parent(store: Store) -> Run:
    (run,) = [run for run in store.runs() if "trial" not in run.data.tags]
    return run


def folder_of(store: Store, run: Run) -> Path:
    return Path(store.uri.removeprefix("file://")) / store.experiment / run.info.run_id


def again(store: Store, run: Run, metrics: int = 0) -> Run:
    """Make a run with the same tags, as a request that was sent twice would, with so many epochs in it."""
    made = store.client.create_run(store.experiment, run.info.start_time, run.data.tags, run.info.run_name)
    history = [Metric(EER, 0.5 / epoch, 1_000_500 + 1000 * epoch, epoch) for epoch in range(1, metrics + 1)]
    store.client.log_batch(made.info.run_id, history)
    return made


# ---- several runs of one trial


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_of_several_runs_of_a_trial_the_fullest_stays(store: Store, epochs: int) -> None:
    store.sweep().deliver(trial(epochs=2))
    first = store.trial(0)
    second = again(store, first, epochs)
    store.sweep().deliver(trial(epochs=4))
    kept = store.trial(0)
    # Three metrics of two epochs are more than one of three.
    assert kept.info.run_id == first.info.run_id
    assert store.history(kept, EER) == expected(4)
    assert store.client.get_run(second.info.run_id).info.lifecycle_stage == "deleted"


def test_of_several_parents_the_one_with_the_trials_stays(store: Store) -> None:
    runs = store.sweep()
    runs.deliver(trial(0))
    other = store.client.create_run(store.experiment, 1, parent(store).data.tags, "glca_heads")
    second = store.sweep()
    second.deliver(trial(0))
    assert second.parent_id == runs.parent_id
    assert store.client.get_run(other.info.run_id).info.lifecycle_stage == "deleted"
    assert len(store.runs()) == 2


def test_trials_whose_parent_was_deleted_get_a_new_one(store: Store) -> None:
    store.sweep().deliver(trial(0, 2))
    store.client.delete_run(parent(store).info.run_id)
    store.sweep().deliver(trial(0, 3))
    assert store.trial(0).data.tags["mlflow.parentRunId"] == parent(store).info.run_id
    assert store.history(store.trial(0), EER) == expected(3)


# ---- what the journal does not tell


def changed(record: Trial, **changes: Any) -> Trial:
    for name, value in changes.items():
        setattr(record, name, value)
    return record


OTHER = {
    "other values": changed(trial(epochs=2), values={"model.glca.heads": 4, "train.clip": None, "train.lr": 1e-5}),
    "fewer settings": changed(trial(epochs=2), values={"model.glca.heads": 3}),
    "fewer epochs": trial(epochs=1),
    "no epoch": trial(),
    "another figure": changed(trial(epochs=2), reports=[{EER: 0.5, LOSS: 1.0, "train/lr": 0.001}, {EER: 0.3}]),
    "not ended": trial(epochs=3),
    "another end": trial(epochs=3, state="failed", cause="out of memory"),
}


@pytest.mark.parametrize("case", OTHER)
def test_a_run_that_tells_something_else_is_made_anew(store: Store, case: str) -> None:
    """The journal lost its end, and the trial went on otherwise, or was drawn anew."""
    ended = {"not ended": "completed", "another end": "pruned"}.get(case, "running")
    store.sweep().deliver(trial(epochs=3 if ended != "running" else 2, state=ended))
    before, record = store.trial(0), OTHER[case]
    store.sweep().deliver(record)
    run = store.trial(0)
    assert run.info.run_id != before.info.run_id
    assert run.data.params == {key: str(value) for key, value in record.values.items()}
    assert store.history(run, EER) == [(step, report[EER]) for step, report in enumerate(record.reports, 1)]
    assert run.data.tags["trial_state"] == record.state


def test_another_cause_is_told_anew_in_the_same_run(store: Store) -> None:
    store.sweep().deliver(trial(epochs=1, state="failed", cause="first"))
    before = store.trial(0)
    store.sweep().deliver(trial(epochs=1, state="failed", cause="second"))
    assert store.trial(0).info.run_id == before.info.run_id
    assert store.trial(0).data.tags["cause"] == "second"


def test_what_users_add_to_a_run_stays_there(store: Store) -> None:
    store.sweep().deliver(trial(epochs=1))
    run = store.trial(0)
    store.client.log_metric(run.info.run_id, "audit/score", 0.5, step=7)
    store.client.set_tag(run.info.run_id, "favourite", "yes")
    store.sweep().deliver(trial(epochs=2))
    kept = store.trial(0)
    assert kept.info.run_id == run.info.run_id
    assert (kept.data.tags["favourite"], kept.data.metrics["audit/score"]) == ("yes", 0.5)


def test_trials_that_the_journal_no_longer_knows_have_no_run_in_the_end(store: Store) -> None:
    runs = store.sweep()
    for number in (0, 1, 2):
        runs.deliver(trial(number))
    second = store.sweep()
    second.deliver(trial(0, 1, "completed"))
    second.finish("FINISHED", {}, {"trials": "1"})
    assert [run.data.tags.get("trial") for run in store.runs() if "trial" in run.data.tags] == ["0"]


def test_a_run_that_was_deleted_in_the_ui_is_made_anew(store: Store) -> None:
    store.sweep().deliver(trial(epochs=2))
    store.client.delete_run(store.trial(0).info.run_id)
    store.sweep().deliver(trial(epochs=3))
    assert store.history(store.trial(0), EER) == expected(3)


# ---- what a kill leaves in the files


class KilledError(BaseException):
    """As a kill: nothing of ours catches it."""


def killed_after(monkeypatch: pytest.MonkeyPatch, name: str, calls: int) -> None:
    """Let the file store die in its n-th call of one of its functions."""
    import mlflow.store.tracking.file_store as module

    real, left = getattr(module, name), [calls]

    def call(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize(
    ("function", "calls"),
    [(name, calls) for name, most in (("write_yaml", 2), ("mkdir", 5), ("write_to", 11)) for calls in range(most)],
)
def test_a_run_whose_making_was_killed_is_not_left_behind(
    store: Store, monkeypatch: pytest.MonkeyPatch, function: str, calls: int
) -> None:
    store.sweep().deliver(trial(0))
    with monkeypatch.context() as patch:
        runs = store.sweep()
        runs.deliver(trial(0))
        killed_after(patch, function, calls)
        with suppress(KilledError):
            runs.deliver(trial(1, 1))
    root = Path(store.uri.removeprefix("file://")) / store.experiment
    for path in root.iterdir():  # as if it had been killed a minute ago
        os.utime(path, (time.time() - 60, time.time() - 60))
    second = store.sweep()
    for record in (trial(0), trial(1, 1)):
        second.deliver(record)
    assert len(store.runs()) == 3
    assert store.history(store.trial(1), EER) == expected(1)
    # Nor is one left that MLflow does not show.
    assert {path.name for path in root.iterdir() if len(path.name) == 32} == {run.info.run_id for run in store.runs()}


SPOILT = {
    "no meta": lambda run: (run / "meta.yaml").unlink(),
    "empty meta": lambda run: (run / "meta.yaml").write_text(""),
    "half a meta": lambda run: (run / "meta.yaml").write_text((run / "meta.yaml").read_text()[:90]),
    "empty metric": lambda run: (run / "metrics" / EER).write_text(""),
    "half a metric": lambda run: (run / "metrics" / LOSS).write_text("1001500 1.0 1\n1002500 0."),
    "half a step": lambda run: (run / "metrics" / EER).write_text("1001500 0.5 1\n1012500 0.04 1"),
    "no params": lambda run: shutil.rmtree(run / "params"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_run_that_a_kill_spoilt_is_made_anew(store: Store, case: str) -> None:
    runs = store.sweep()
    for number in (0, 1):
        runs.deliver(trial(number, 2))
    SPOILT[case](folder_of(store, store.trial(1)))
    second = store.sweep()
    for record in (trial(0, 3), trial(1, 3)):
        second.deliver(record)
    assert len(store.runs()) == 3
    assert [store.history(store.trial(number), EER) for number in (0, 1)] == [expected(3)] * 2


def test_the_spoilt_run_of_another_sweep_is_in_nobodys_way_and_left_to_its_own(store: Store) -> None:
    for sweep_id in ("s1", "s2"):
        store.sweep(sweep_id).deliver(trial(0, 2))
    (theirs,) = store.runs("tags.sweep_id = 's2' and tags.trial = '0'")
    meta = folder_of(store, theirs) / "meta.yaml"
    whole = meta.read_text()
    meta.write_text("")
    store.sweep().deliver(trial(0, 3))
    assert (folder_of(store, theirs) / "metrics" / EER).exists()
    meta.write_text(whole)
    (ours,) = store.runs("tags.sweep_id = 's1' and tags.trial = '0'")
    assert store.history(ours, EER) == expected(3)


def test_a_run_that_somebody_is_making_just_now_is_left_alone(store: Store) -> None:
    made = Path(store.uri.removeprefix("file://")) / store.experiment / ("ab" * 16)
    made.mkdir()
    (made / "meta.yaml").touch()
    store.sweep()
    assert made.exists()
    os.utime(made, (time.time() - 60, time.time() - 60))
    store.sweep()
    assert not made.exists()


def test_runs_of_others_in_the_experiment_are_left_alone(store: Store) -> None:
    other = store.client.create_run(store.experiment, run_name="trial 000 (default)")
    store.client.log_metric(other.info.run_id, "loss", 1.0)
    store.sweep().deliver(trial(0, 1))
    assert store.client.get_run(other.info.run_id).data.metrics == {"loss": 1.0}


def test_a_spoilt_run_of_others_that_holds_something_is_left_to_them(store: Store) -> None:
    other = store.client.create_run(store.experiment)
    store.client.log_metric(other.info.run_id, "loss", 1.0)
    place = folder_of(store, other)
    (place / "meta.yaml").write_text("")
    os.utime(place, (time.time() - 60, time.time() - 60))
    store.sweep().deliver(trial(0, 1))
    assert (place / "metrics" / "loss").exists()


def test_finding_the_runs_again_asks_for_none_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = store.sweep()
    for number in range(5):
        runs.deliver(trial(number, 2, "completed"))
    asked: list[str] = []
    for name in ("get_run", "get_metric_history", "log_batch", "set_tag", "list_artifacts", "update_run"):
        monkeypatch.setattr(MlflowClient, name, lambda *_, name=name, **__: asked.append(name))
    second = store.sweep()
    for number in range(5):
        second.deliver(trial(number, 2, "completed"))
    assert asked == []
