"""The MLflow runs of a sweep, in a real file store: one parent, one child a trial, each step once."""

from pathlib import Path
from typing import Any

import pytest
from filled_store import AUC, EER, LOSS, Store, expected, trial
from mlflow import MlflowClient

from twinverify.search.state import Trial

# ---- one run a trial


def test_a_sweep_has_one_parent_and_each_trial_one_child(store: Store) -> None:
    runs = store.sweep()
    for number in (0, 1, 2):
        runs.deliver(trial(number))
        runs.deliver(trial(number, epochs=1))
    everything = store.runs()
    assert len(everything) == 4
    (parent,) = [run for run in everything if "trial" not in run.data.tags]
    children = [run for run in everything if run is not parent]
    assert parent.info.run_id == runs.parent_id
    assert parent.info.run_name == "glca_heads"
    assert parent.data.tags["mlflow.note.content"] == "**what**"
    assert sorted(run.data.tags["trial"] for run in children) == ["0", "1", "2"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in children) == ["trial 000 (default)", "trial 001", "trial 002"]


def test_every_run_carries_the_sweeps_tags(store: Store) -> None:
    store.sweep().deliver(trial())
    for run in store.runs():
        wanted = {"model_type": "dcal", "dataset": "synthetic", "sweep": "glca_heads", "sweep_id": "s1"}
        assert wanted.items() <= run.data.tags.items()


def test_a_run_lasts_from_the_draw_to_the_end(store: Store) -> None:
    store.sweep().deliver(trial(epochs=2, state="completed"))
    info = store.trial(0).info
    assert (info.start_time, info.end_time) == (1_000_500, 2_000_250)


@pytest.mark.parametrize(
    ("state", "cause", "status"),
    [
        ("running", None, "RUNNING"),
        ("completed", None, "FINISHED"),
        ("pruned", None, "FINISHED"),
        ("failed", "epoch 2: val/twin_eer is not a number", "FAILED"),
    ],
)
def test_status_and_tags_tell_how_a_trial_ended(store: Store, state: str, cause: str | None, status: str) -> None:
    store.sweep().deliver(trial(epochs=2, state=state, cause=cause))
    run = store.trial(0)
    assert (run.info.status, run.data.tags["trial_state"], run.data.tags.get("cause")) == (status, state, cause)


def test_a_trial_that_failed_before_its_first_report_has_a_failed_run(store: Store) -> None:
    store.sweep().deliver(trial(state="failed", cause="out of GPU memory"))
    run = store.trial(0)
    assert (run.info.status, run.data.metrics) == ("FAILED", {})


# ---- what a run holds


def test_parameters_are_the_drawn_values_under_their_dotted_keys(store: Store) -> None:
    store.sweep().deliver(trial())
    assert store.trial(0).data.params == {"model.glca.heads": "3", "train.clip": "None", "train.lr": "1e-05"}


def test_metrics_have_each_epoch_once_with_its_time_and_nothing_else(store: Store) -> None:
    runs = store.sweep()
    for epochs in (1, 2, 2, 3):
        runs.deliver(trial(epochs=epochs))
    run = store.trial(0)
    assert set(run.data.metrics) == {EER, LOSS, "train/lr"}
    assert store.history(run, EER) == expected(3)
    assert [e.timestamp for e in store.client.get_metric_history(run.info.run_id, LOSS)] == [
        1_001_500,
        1_002_500,
        1_003_500,
    ]


def test_several_epochs_can_come_at_once(store: Store) -> None:
    store.sweep().deliver(trial(epochs=7, state="completed"))
    assert store.history(store.trial(0), EER) == expected(7)


def test_a_metric_that_is_not_in_every_report_has_the_steps_that_it_was_in(store: Store) -> None:
    runs, record = store.sweep(), trial(epochs=4)
    record.reports[1][AUC] = 0.7
    record.reports[3][AUC] = 0.8
    for count in range(1, 5):
        runs.deliver(Trial(0, {}, 1000.5, reports=record.reports[:count], reported_at=record.reported_at[:count]))
    assert store.history(store.trial(0), AUC) == [(2, 0.7), (4, 0.8)]


def test_each_trials_configuration_is_an_artifact(store: Store, tmp_path: Path) -> None:
    runs = store.sweep()
    for number in (0, 1, 2):
        runs.deliver(trial(number))
    assert [store.config(store.trial(number), tmp_path) for number in (0, 1, 2)] == [
        "seed: 0\n",
        "seed: 1\n",
        "seed: 2\n",
    ]


def test_the_configuration_is_written_once(store: Store, tmp_path: Path) -> None:
    for seed in (0, 7):
        store.sweep(seed=seed).deliver(trial())
    assert store.config(store.trial(0), tmp_path) == "seed: 0\n"


def test_a_configuration_that_was_lost_is_written_again(store: Store, tmp_path: Path) -> None:
    store.sweep().deliver(trial(epochs=1))
    for path in Path(store.uri.removeprefix("file://")).rglob("config.yaml"):
        path.unlink()
    store.sweep().deliver(trial(epochs=1))
    assert store.config(store.trial(0), tmp_path) == "seed: 0\n"
    assert store.history(store.trial(0), EER) == expected(1)


def test_more_parameters_and_metrics_than_one_batch_holds_arrive_whole(store: Store) -> None:
    record = trial(epochs=26)
    record.values = {f"train.setting{number}": number for number in range(230)}
    for report in record.reports:
        report |= {f"train/part{number}": number / 7 for number in range(40)}
    store.sweep().deliver(record)
    run = store.trial(0)
    assert run.data.params == {key: str(value) for key, value in record.values.items()}
    assert store.history(run, EER) == expected(26)
    assert store.history(run, "train/part39") == [(epoch, 39 / 7) for epoch in range(1, 27)]


# ---- going on after an interruption


def test_a_second_process_finds_the_runs_and_writes_nothing_twice(store: Store) -> None:
    first = store.sweep()
    trials = [trial(0, 3, "completed"), trial(1, 2, "pruned"), trial(2, 1, "failed", cause="worker died"), trial(3, 2)]
    for each in trials:
        first.deliver(each)
    before = store.files()
    second = store.sweep()
    for each in trials * 2:
        second.deliver(each)
    assert second.parent_id == first.parent_id
    assert store.files() == before


def test_a_second_process_delivers_what_is_new(store: Store) -> None:
    store.sweep().deliver(trial(epochs=2))
    store.sweep().deliver(trial(epochs=4, state="completed"))
    assert len(store.runs()) == 2
    assert store.history(store.trial(0), EER) == expected(4)
    assert store.trial(0).info.status == "FINISHED"


@pytest.mark.parametrize("written", [1, 2, 3])
def test_a_batch_that_a_crash_cut_is_completed_without_repeats(store: Store, written: int) -> None:
    store.sweep().deliver(trial(epochs=1))
    run, record = store.trial(0), trial(epochs=3, state="completed")
    # The file store writes a batch metric by metric: a kill leaves the first few of them.
    for key, value in list(record.reports[1].items())[:written]:
        store.client.log_metric(run.info.run_id, key, value, timestamp=1_002_500, step=2)
    store.sweep().deliver(record)
    for key in (EER, LOSS, "train/lr"):
        assert store.history(run, key) == [(epoch, record.reports[epoch - 1][key]) for epoch in (1, 2, 3)], key


def test_parameters_that_a_crash_cut_are_completed(store: Store) -> None:
    runs = store.sweep()
    runs.deliver(Trial(0, {"train.lr": 1e-5}, 1000.5))
    store.sweep().deliver(trial(epochs=1))
    assert len(store.trial(0).data.params) == 3


@pytest.mark.parametrize("left", ["status", "tag"])
def test_an_end_that_a_crash_cut_is_completed(store: Store, monkeypatch: pytest.MonkeyPatch, left: str) -> None:
    class KilledError(BaseException):
        """As a kill: nothing of ours catches it."""

    def killed(*_: Any, **__: Any) -> None:
        raise KilledError

    record = trial(epochs=2, state="failed", cause="out of memory")
    runs = store.sweep()
    runs.deliver(trial(epochs=2))
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch" if left == "status" else "set_terminated", killed)
        with pytest.raises(KilledError):
            runs.deliver(record)
    store.sweep().deliver(record)
    run = store.trial(0)
    assert (run.info.status, run.data.tags["trial_state"], run.data.tags["cause"]) == (
        "FAILED",
        "failed",
        "out of memory",
    )


def test_a_store_that_was_deleted_is_filled_again_from_the_records(tmp_path: Path) -> None:
    trials = [trial(0, 3, "completed"), trial(1, 2, "pruned")]
    fresh = Store(tmp_path / "new")
    for store in (Store(tmp_path / "old"), fresh):
        runs = store.sweep()
        for each in trials:
            runs.deliver(each)
    assert [fresh.history(fresh.trial(number), EER) for number in (0, 1)] == [expected(3), expected(2)]


def test_two_sweeps_of_one_name_stay_apart(store: Store) -> None:
    for sweep_id, epochs in (("s1", 1), ("s2", 2), ("s1", 3)):
        store.sweep(sweep_id).deliver(trial(epochs=epochs))
    assert len(store.runs("tags.sweep = 'glca_heads'")) == 4
    for sweep_id, epochs in (("s1", 3), ("s2", 2)):
        (run,) = store.runs(f"tags.sweep_id = '{sweep_id}' and tags.trial = '0'")
        assert store.history(run, EER) == expected(epochs)


def test_runs_are_found_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = store.sweep()
    for number in range(7):
        runs.deliver(trial(number))
    search, pages = MlflowClient.search_runs, []

    def by_three(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        pages.append(search(self, *args, **{**kwargs, "max_results": 3}))
        return pages[-1]

    monkeypatch.setattr(MlflowClient, "search_runs", by_three)
    assert len(store.runs()) == 8
    assert [len(page) for page in pages] == [3, 3, 2]


# ---- the parent's end


def test_the_parent_ends_with_the_result(store: Store, tmp_path: Path) -> None:
    runs = store.sweep()
    runs.deliver(trial(0, 3, "completed"))
    runs.deliver(trial(1, 3, "completed"))
    runs.artifact("seed: 0\n", "best.yaml")
    runs.finish("FINISHED", {EER: 0.2}, {"best_trial": "1", "trials": "2"})
    parent = store.client.get_run(runs.parent_id)
    assert (parent.info.status, parent.data.metrics) == ("FINISHED", {EER: 0.2})
    assert parent.data.tags["best_trial"] == "1"
    assert Path(store.client.download_artifacts(runs.parent_id, "best.yaml", str(tmp_path))).read_text() == "seed: 0\n"


def test_a_sweep_that_goes_on_runs_again_and_ends_anew_with_each_result_once(store: Store) -> None:
    trials = [trial(0, 3, "completed")]
    for best, more in ((0.2, 0), (0.2, 0), (0.1, 1)):
        runs = store.sweep()
        trials += [trial(1, 3, "completed")] * more
        for each in trials:
            runs.deliver(each)
        assert store.client.get_run(runs.parent_id).info.status == "RUNNING"
        runs.finish("FINISHED", {EER: best}, {"trials": str(len(trials))})
    parent = store.client.get_run(runs.parent_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics == {EER: 0.1}
    assert parent.data.tags["trials"] == "2"
    assert store.history(parent, EER) == [(1, 0.2), (2, 0.1)]
