"""A store that fails at any call, before or after its work: in the end it holds what an undisturbed one does."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filled_store import AUC, Store, trial
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from twinverify.search.state import Trial
from twinverify.tracking import courier as module
from twinverify.tracking.connect import connect
from twinverify.tracking.courier import Courier
from twinverify.tracking.runs import SweepRuns

CALLS = (
    *("create_experiment", "get_experiment_by_name", "set_experiment_tag", "search_runs", "get_run", "create_run"),
    *("log_batch", "log_text", "set_tag", "delete_tag", "set_terminated", "update_run", "delete_run"),
)
#: More than an undisturbed delivery of the story below makes.
MOST_CALLS = 32


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(module, "_LONGEST_DELAY", 0.002)


class Failing:
    """Counts the calls of MLflow's client, and has some of them fail."""

    def __init__(self, before: Sequence[int] = (), after: Sequence[int] = ()) -> None:
        self.before, self.after, self.calls = set(before), set(after), 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        real = {name: getattr(MlflowClient, name) for name in CALLS}
        for name, method in real.items():
            setattr(MlflowClient, name, self._failing(method))
        try:
            yield
        finally:
            for name, method in real.items():
                setattr(MlflowClient, name, method)

    def _failing(self, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = self.calls
            self.calls += 1
            if number in self.before:
                raise ConnectionResetError(104, "Connection reset by peer")
            done = method(*args, **kwargs)
            if number in self.after:
                raise TimeoutError("timed out")
            return done

        return call


def story() -> Iterator[Trial]:
    """Tell a sweep of two trials as its courier hears of it."""
    first, second = trial(0, 2, "completed"), trial(1, 1, "failed", cause="out of memory")
    second.reports[0][AUC] = 0.7
    yield trial(0)
    yield trial(0, 1)
    yield Trial(1, second.values, second.drawn_at)
    yield first
    yield second


def opened(uri: str) -> SweepRuns:
    client, experiment = connect(uri, "twins")
    tags = {"model_type": "dcal"}
    return SweepRuns(
        client,
        experiment,
        sweep_id="s1",
        name="sweep",
        tags=tags,
        description="**what**",
        config=lambda number: f"seed: {number}\n",
    )


def ended(runs: SweepRuns) -> None:
    runs.artifact("seed: 0\n", "best.yaml")
    runs.finish("FINISHED", {"val/twin_eer": 0.25}, {"trials": "2"})


def deliver(folder: Path, failing: Failing, step_by_step: bool = True) -> list[str | None]:
    """Tell the story to a courier whose store fails; gives what it told."""
    told: list[str | None] = []
    courier = Courier(lambda: opened(folder.as_uri()), told=told.append)
    with failing():
        for record in story():
            courier.take(record)
            while step_by_step and courier.outstanding:
                time.sleep(0.0005)
        assert courier.finish(ended, 10) is None
    return told


def content(folder: Path) -> dict[str, Any]:
    """Give all that a store holds, but for ids and the clock."""
    store = Store(folder)
    runs = store.runs()
    names = {run.info.run_id: run.info.run_name for run in runs}
    told = {}
    for run in runs:
        tags = run.data.tags | {"mlflow.parentRunId": names.get(run.data.tags.get("mlflow.parentRunId", ""))}
        metrics = {
            key: [(e.step, e.value) for e in store.client.get_metric_history(run.info.run_id, key)]
            for key in run.data.metrics
        }
        artifacts = sorted(file.path for file in store.client.list_artifacts(run.info.run_id))
        end = run.info.end_time if "trial" in tags else None
        told[run.info.run_name] = (
            *(run.info.status, run.info.start_time, end, sorted(tags.items(), key=str), run.data.params),
            *(metrics, artifacts),
        )
    assert len(told) == len(runs)
    return told


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder, counter = tmp_path_factory.mktemp("undisturbed") / "store", Failing()
    assert deliver(folder, counter) == []
    assert 20 < counter.calls < MOST_CALLS, counter.calls
    return content(folder)


def test_the_undisturbed_store_holds_the_story(undisturbed: dict[str, Any]) -> None:
    assert sorted(undisturbed) == ["sweep", "trial 000 (default)", "trial 001"]
    assert [undisturbed[name][0] for name in sorted(undisturbed)] == ["FINISHED", "FINISHED", "FAILED"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(MOST_CALLS))
def test_a_call_that_fails_once_changes_nothing(
    tmp_path: Path, undisturbed: dict[str, Any], number: int, when: str
) -> None:
    failing = Failing(**{when: [number]})
    told = deliver(tmp_path / "store", failing)
    assert content(tmp_path / "store") == undisturbed
    # A failing search has another way, and the last numbers no call.
    assert told in ([], ["Connection reset by peer" if when == "before" else "timed out", None])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)
@given(
    fails=st.lists(st.sampled_from(["", "before", "after"]), max_size=60),
    step_by_step=st.booleans(),
)
def test_any_number_of_failures_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: dict[str, Any], fails: list[str], step_by_step: bool
) -> None:
    folder = tmp_path_factory.mktemp("failing") / "store"
    numbers = {when: [n for n, fail in enumerate(fails) if fail == when] for when in ("before", "after")}
    told = deliver(folder, Failing(**numbers), step_by_step)
    assert content(folder) == undisturbed
    # Away and back, in turn.
    assert [reason is None for reason in told] == [False, True] * (len(told) // 2)


@pytest.mark.parametrize("after", range(5))
def test_a_store_that_is_deleted_in_mid_sweep_is_filled_again_entirely(
    tmp_path: Path, undisturbed: dict[str, Any], after: int
) -> None:
    folder = tmp_path / "store"
    courier = Courier(lambda: opened(folder.as_uri()), told=lambda _: None)
    for number, record in enumerate(story()):
        courier.take(record)
        while courier.outstanding:
            time.sleep(0.0005)
        if number == after:
            shutil.rmtree(folder)
    assert courier.finish(ended, 10) is None
    assert content(folder) == undisturbed


def test_a_database_that_is_deleted_in_mid_sweep_is_filled_again_entirely(tmp_path: Path) -> None:
    from twinverify.tracking.finding import find_runs

    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    courier = Courier(lambda: opened(uri), told=lambda _: None)
    for number, record in enumerate(story()):
        courier.take(record)
        while courier.outstanding:
            time.sleep(0.0005)
        if number == 2:
            (tmp_path / "runs.db").unlink()
    assert courier.finish(ended, 30) is None
    client, experiment = connect(uri, "twins")
    statuses = {run.info.run_name: run.info.status for run in find_runs(client, experiment, "")}
    assert statuses == {"sweep": "FINISHED", "trial 000 (default)": "FINISHED", "trial 001": "FAILED"}


def test_a_run_that_is_deleted_under_the_courier_is_made_anew(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    folder = tmp_path / "store"
    courier = Courier(lambda: opened(folder.as_uri()), told=lambda _: None)
    for number, record in enumerate(story()):
        courier.take(record)
        while courier.outstanding:
            time.sleep(0.0005)
        if number == 1:
            store = Store(folder)
            store.client.delete_run(store.trial(0).info.run_id)
    assert courier.finish(ended, 10) is None
    assert content(folder) == undisturbed


def test_an_experiment_that_was_deleted_in_the_ui_is_an_outage_that_says_how_to_mend_it(tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    client, experiment = connect(uri, "twins")
    client.delete_experiment(experiment)
    told: list[str | None] = []
    courier = Courier(lambda: opened(uri), told=told.append)
    courier.take(trial(0, 1))
    while not told:
        time.sleep(0.001)
    assert "mlflow experiments restore" in str(told[0])
    MlflowClient(uri).restore_experiment(experiment)
    assert courier.finish(None, 5) is None
    assert Store(tmp_path / "store").trial(0).info.status == "RUNNING"
