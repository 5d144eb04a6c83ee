"""What ties a sweep to MLflow: which address is refused, what is delivered, and what is told of the rest."""

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from planning import Planned, opened

from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.search import tracked
from twinverify.search.files import write_best
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.search.tracked import check_tracking, close, open_courier

prepare()

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Run  # noqa: E402

EER = "val/twin_eer"


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address on loopback where nobody answers."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "_PATIENCE_WHEN_INTERRUPTED", 0.2)


# ---- the address


def test_a_new_sweep_is_refused_where_its_server_is_away(planned: Planned, nobody: str) -> None:
    with pytest.raises(UserError, match="no server answers"):
        check_tracking(planned(space="glca_heads", tracking=nobody))


def test_a_sweep_goes_on_without_the_server_that_it_had(planned: Planned, started: Planned, nobody: str) -> None:
    started(space="glca_heads", tracking=nobody)
    line = (
        f"tracking {nobody}: no server answers (Connection refused); training goes on, results wait in the sweep folder"
    )
    assert check_tracking(planned({}, resume="glca_heads")) == line
    # The whole command again, as a scheduler gives it after a preemption.
    assert check_tracking(planned(space="glca_heads", tracking=nobody)) == line
    assert check_tracking(planned({}, resume="glca_heads", tracking=nobody)) == line


def test_a_sweep_that_goes_on_with_another_server_needs_that_one(
    planned: Planned, started: Planned, nobody: str, tmp_path: Path
) -> None:
    started(space="glca_heads", tracking=(tmp_path / "store").as_uri())
    with pytest.raises(UserError, match="no server answers"):
        check_tracking(planned({}, resume="glca_heads", tracking=nobody))


@pytest.mark.parametrize("tracking", ["off", "./store", None])
def test_of_other_stores_nothing_is_to_be_told(
    planned: Planned, started: Planned, tracking: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_tracking(planned(space="glca_heads", tracking=tracking)) is None
    started(space="glca_heads", tracking=tracking)
    assert check_tracking(planned({}, resume="glca_heads")) is None


def test_a_malformed_address_is_refused_whenever_it_is_given(planned: Planned, started: Planned) -> None:
    started(space="glca_heads", tracking="off")
    with pytest.raises(UserError, match="http://HOST:PORT"):
        check_tracking(planned({}, resume="glca_heads", tracking="http://host:port"))


# ---- what is delivered


def swept(plan: SweepPlan, trials: int = 2) -> SweepState:
    """Run a sweep's state to its end, without training."""
    state = opened(plan)
    for number in range(trials):
        state.draw()
        for epoch in range(1, state.epochs + 1):
            if state.trials[number].state == "running":
                state.report(number, epoch, {EER: 0.5 / (epoch + number)})
    write_best(plan, state)
    return state


def runs_of(uri: str) -> list[Run]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("twin-verification-hyperparameter-search")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


@pytest.fixture
def plan(started: Planned, tmp_path: Path) -> SweepPlan:
    return started(space="glca_heads", epochs=2, scheduler="none", tracking=(tmp_path / "store").as_uri())


def delivered(plan: SweepPlan, state: SweepState, **closing: Any) -> str | None:
    courier = open_courier(plan, state, lambda reason: None)
    assert courier is not None
    return close(plan, state, courier, interrupted=False, **closing)


def test_without_tracking_there_is_no_courier(started: Planned) -> None:
    plan = started(space="glca_heads", tracking="off")
    assert open_courier(plan, opened(plan), lambda reason: None) is None


def test_all_of_a_sweep_is_delivered_with_its_result(plan: SweepPlan, tmp_path: Path) -> None:
    uri = (tmp_path / "store").as_uri()
    assert delivered(plan, swept(plan)) is None
    runs = {run.info.run_name: run for run in runs_of(uri)}
    assert sorted(runs) == ["glca_heads", "trial 000 (default)", "trial 001"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["glca_heads"].data.tags["best_trial"] == "1"
    files = {
        name: sorted(file.path for file in MlflowClient(uri).list_artifacts(run.info.run_id))
        for name, run in runs.items()
    }
    assert files == {
        "glca_heads": ["best.yaml", "space.yaml"],
        "trial 000 (default)": ["config.yaml"],
        "trial 001": ["config.yaml"],
    }


def test_a_store_that_was_deleted_after_the_sweep_is_filled_again_from_its_folder(
    plan: SweepPlan, tmp_path: Path
) -> None:
    def told() -> list[Any]:
        uri, runs = (tmp_path / "store").as_uri(), runs_of((tmp_path / "store").as_uri())
        client = MlflowClient(uri)
        return sorted(
            (
                *(run.info.run_name, run.info.status, run.info.start_time, sorted(run.data.params.items())),
                *[(key, [m.step for m in client.get_metric_history(run.info.run_id, key)]) for key in run.data.metrics],
                *[file.path for file in client.list_artifacts(run.info.run_id)],
            )
            for run in runs
        )

    swept(plan).close()
    assert delivered(plan, opened(plan)) is None
    before = told()
    assert len(before) == 3
    shutil.rmtree(tmp_path / "store")
    assert delivered(plan, opened(plan)) is None
    assert told() == before


def test_an_interrupted_sweep_is_shown_as_such_until_it_goes_on(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "_PATIENCE_WHEN_INTERRUPTED", 10)
    uri = (tmp_path / "store").as_uri()
    state = opened(plan)
    state.draw()
    state.report(0, 1, {EER: 0.5})
    courier = open_courier(plan, state, lambda reason: None)
    assert courier is not None
    assert close(plan, state, courier, interrupted=True) is None
    assert {run.info.status for run in runs_of(uri)} == {"KILLED"}
    courier = open_courier(plan, state, lambda reason: None)
    assert courier is not None
    courier_is_through = time.monotonic() + 10
    while {run.info.status for run in runs_of(uri)} != {"RUNNING"}:
        assert time.monotonic() < courier_is_through
        time.sleep(0.01)
    assert close(plan, state, courier, interrupted=True) is None


# ---- what is not


def test_what_could_not_be_delivered_is_told_with_the_reason(
    started: Planned, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "_PATIENCE", 0.3)
    plan = started(space="glca_heads", epochs=2, tracking=nobody)
    told: list[str | None] = []
    state = swept(plan, trials=3)
    courier = open_courier(plan, state, told.append)
    assert courier is not None
    assert close(plan, state, courier, interrupted=False) == "3 trials (no server answers (Connection refused))"
    assert told == ["no server answers (Connection refused)"]


def test_only_the_end_of_a_sweep_can_be_missing(plan: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracked, "_PATIENCE", 3)
    state = swept(plan)
    (plan.folder / "best.yaml").unlink()
    assert delivered(plan, state) == "the end of the sweep (No such file or directory)"


def test_an_interruption_waits_for_no_server(started: Planned, nobody: str) -> None:
    plan = started(space="glca_heads", epochs=2, tracking=nobody)
    state = opened(plan)
    state.draw()
    courier = open_courier(plan, state, lambda reason: None)
    assert courier is not None
    start = time.monotonic()
    assert close(plan, state, courier, interrupted=True) == "1 trial (no server answers (Connection refused))"
    assert time.monotonic() - start < 2


def test_ctrl_c_while_the_end_is_delivered_leaves_nothing_running(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked, "_PATIENCE_WHEN_INTERRUPTED", 10)
    state = swept(plan)
    courier = open_courier(plan, state, lambda reason: None)
    assert courier is not None
    finish, calls = courier.finish, []

    def interrupted(*args: Any, **kwargs: Any) -> str | None:
        calls.append(args)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return finish(*args, **kwargs)

    monkeypatch.setattr(courier, "finish", interrupted)
    with pytest.raises(KeyboardInterrupt):
        close(plan, state, courier, interrupted=False)
    told = {run.data.tags.get("trial"): run.info.status for run in runs_of((tmp_path / "store").as_uri())}
    assert told == {None: "KILLED", "0": "FINISHED", "1": "FINISHED"}
