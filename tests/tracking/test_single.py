"""The run of a training outside a sweep: found again when the training goes on, each epoch once."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from twinverify.environment import prepare
from twinverify.tracking.courier import Courier
from twinverify.tracking.delivery import Content
from twinverify.tracking.finding import find_runs
from twinverify.tracking.record import Snapshot
from twinverify.tracking.single import SingleRun, TrainingRun
from twinverify.tracking.store import open_experiment

EER = "val/twin_eer"


class Watched(SingleRun):
    """A training whose every step is waited for until the store has it."""

    def report(self, metrics: Any) -> None:
        super().report(metrics)
        self.arrived()

    def arrived(self) -> None:
        """Wait until all is delivered."""
        end = time.monotonic() + 10
        while self.courier.outstanding:
            assert time.monotonic() < end
            time.sleep(0.001)


Opened = Callable[..., Watched]


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    prepare()
    return MlflowClient((tmp_path / "store").as_uri())


@pytest.fixture
def experiment(tmp_path: Path) -> str:
    prepare()
    return open_experiment((tmp_path / "store").as_uri(), "single")


@pytest.fixture
def opened(client: MlflowClient, experiment: str) -> Opened:
    """Open a training's run as a new process would."""

    def make(key: str = "train-tiny-1234") -> Watched:
        values = {"seed": 0, "train.lr": 1e-3} | {f"setting.number{n}": n for n in range(70)}

        def connect() -> TrainingRun:
            tags = {"model_type": "dcal"}
            return TrainingRun(
                client, experiment, key=key, name="train-tiny", tags=tags, content=Content(lambda: "seed: 0\n")
            )

        made = Watched(Courier(connect, told=lambda _: None), values)
        made.arrived()
        return made

    return make


@pytest.fixture
def only(client: MlflowClient, experiment: str) -> Callable[[], Run]:
    def find() -> Run:
        (run,) = find_runs(client, experiment, "")
        return run

    return find


def steps(client: MlflowClient, run: Run) -> list[tuple[int, float]]:
    return [(entry.step, entry.value) for entry in client.get_metric_history(run.info.run_id, EER)]


def test_a_run_is_there_before_the_first_epoch(opened: Opened, only: Callable[[], Run]) -> None:
    opened()
    run = only()
    assert (run.info.status, run.info.run_name) == ("RUNNING", "train-tiny")
    assert {"model_type": "dcal", "trial_state": "running"}.items() <= run.data.tags.items()
    assert len(run.data.params) == 72
    assert run.data.params["train.lr"] == "0.001"


def test_each_epoch_is_there_as_soon_as_it_is_reported(
    opened: Opened, only: Callable[[], Run], client: MlflowClient
) -> None:
    run = opened()
    for epoch in (1, 2, 3):
        run.report({EER: 0.5 / epoch})
        assert steps(client, only()) == [(e, 0.5 / e) for e in range(1, epoch + 1)]
    assert run.end("completed") is None
    assert (only().info.status, only().data.tags["trial_state"]) == ("FINISHED", "completed")


def test_the_configuration_is_an_artifact(
    opened: Opened, only: Callable[[], Run], client: MlflowClient, tmp_path: Path
) -> None:
    opened()
    path = client.download_artifacts(only().info.run_id, "config.yaml", str(tmp_path))
    assert Path(path).read_text() == "seed: 0\n"


def test_a_training_that_goes_on_goes_on_in_its_run(
    opened: Opened, only: Callable[[], Run], client: MlflowClient
) -> None:
    first = opened()
    for epoch in (1, 2):
        first.report({EER: 0.5 / epoch})
    second = opened()
    assert only().info.status == "RUNNING"
    for epoch in (1, 2, 3, 4):  # a training that is taken up tells its past again
        second.report({EER: 0.5 / epoch})
    second.end("completed")
    assert steps(client, only()) == [(epoch, 0.5 / epoch) for epoch in (1, 2, 3, 4)]
    assert only().info.status == "FINISHED"


def test_epochs_reported_again_are_not_written_again(
    opened: Opened, only: Callable[[], Run], client: MlflowClient
) -> None:
    opened().report({EER: 0.5})
    again = opened()
    for epoch in (1, 2):
        again.report({EER: 0.5 / epoch})
    assert steps(client, only()) == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize("before", ["completed", "failed"])
@pytest.mark.parametrize("after", ["completed", "failed"])
def test_a_training_that_had_ended_runs_again_and_ends_anew(
    opened: Opened, only: Callable[[], Run], before: str, after: str
) -> None:
    causes = {"completed": None, "failed": "epoch 2: the loss is not a number"}
    first = opened()
    first.report({EER: 0.5})
    first.end(before, causes[before])  # type: ignore[arg-type]
    second = opened()
    assert (only().info.status, only().data.tags["trial_state"]) == ("RUNNING", "running")
    assert "cause" not in only().data.tags
    second.end(after, causes[after])  # type: ignore[arg-type]
    assert only().info.status == {"completed": "FINISHED", "failed": "FAILED"}[after]
    assert only().data.tags["trial_state"] == after
    assert only().data.tags.get("cause") == causes[after]


def test_a_failed_training_that_is_taken_up_at_its_end_has_no_cause_any_more(
    client: MlflowClient, experiment: str, only: Callable[[], Run]
) -> None:
    """Between two deliveries a training can have gone the whole way."""

    def deliver(state: str, cause: str | None) -> None:
        run = TrainingRun(client, experiment, key="a", name="a", tags={}, content=Content(lambda: "seed: 0\n"))
        run.deliver(Snapshot(0, {"seed": 0}, state, cause, 1.0, 2.0, [{EER: 0.5}], [1.5]))

    deliver("failed", "epoch 2: the loss is not a number")
    deliver("completed", None)
    assert (only().info.status, only().data.tags.get("cause")) == ("FINISHED", None)


def test_other_trainings_have_runs_of_their_own(opened: Opened, client: MlflowClient, experiment: str) -> None:
    for key in ("a", "b", "a"):
        opened(key).report({EER: 0.5})
    runs = find_runs(client, experiment, "")
    assert sorted(run.data.tags["training"] for run in runs) == ["a", "b"]
    assert [steps(client, run) for run in runs] == [[(1, 0.5)], [(1, 0.5)]]


def test_a_training_that_is_stopped_is_shown_as_such_until_it_goes_on(opened: Opened, only: Callable[[], Run]) -> None:
    first = opened()
    first.report({EER: 0.5})
    assert first.pause() is None
    assert only().info.status == "KILLED"
    second = opened()
    assert only().info.status == "RUNNING"
    second.end("completed")
    assert only().info.status == "FINISHED"


def test_of_two_runs_of_a_training_the_fuller_one_stays(
    opened: Opened, only: Callable[[], Run], client: MlflowClient, experiment: str
) -> None:
    opened().report({EER: 0.5})
    first = only()
    client.create_run(experiment, tags=first.data.tags)
    second = opened()
    for epoch in (1, 2):
        second.report({EER: 0.5 / epoch})
    assert only().info.run_id == first.info.run_id
    assert steps(client, only()) == [(1, 0.5), (2, 0.25)]


def test_a_training_that_could_not_be_delivered_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> TrainingRun:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("twinverify.tracking.single._PATIENCE", 0.05)
    told: list[str | None] = []
    run = SingleRun(Courier(connect, told=told.append), {"seed": 0})
    run.report({EER: 0.5})
    assert run.end("completed") == "Connection refused"
    assert told == ["Connection refused"]


def test_a_folder_of_an_odd_and_long_name_gives_a_run_that_every_database_holds(
    client: MlflowClient, experiment: str, only: Callable[[], Run]
) -> None:
    name = 'it\'s 100 % "odd" \\ 双子\n' + "x" * 230
    training = SingleRun(Courier(lambda: None, told=lambda _: None), {})
    run = TrainingRun(client, experiment, key="k", name=name, tags={}, content=Content(lambda: ""))
    run.deliver(Snapshot.of(training))

    assert only().info.run_name == name[:200]
