"""The model in MLflow: served without pickles, logged once, whole or not at all."""

import base64
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from served_sweep import ServedSweep

from twinverify.environment import prepare
from twinverify.serving.facts import read_facts
from twinverify.serving.folder import write_best_folder
from twinverify.serving.log import attach_model, log_best_model, save_pyfunc
from twinverify.serving.model import load_model


@pytest.fixture(scope="module")
def saved(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pyfunc") / "model"
    save_pyfunc(model_folder, place)
    return place


@pytest.fixture(scope="module")
def loaded(saved: Path) -> Any:
    return mlflow.pyfunc.load_model(str(saved))


@pytest.fixture(params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[MlflowClient, str]:
    """A client of an empty store, and a run in it."""
    prepare()
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts by itself
    uri = (tmp_path / "store").as_uri() if request.param == "file" else f"sqlite:///{tmp_path / 'store.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("searches", (tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment, tags={"sweep_id": "abc", "sweep": "small"})
    return client, run.info.run_id


def logged(client: MlflowClient, run_id: str) -> list[Any]:
    experiment = client.get_run(run_id).info.experiment_id
    return list(client.search_logged_models([experiment]))


def test_paths_bytes_and_data_addresses_are_photographs(loaded: Any, model_folder: Path, finished: ServedSweep) -> None:
    first, second = finished.faces[0], finished.faces[5]
    address = f"data:image/png;base64,{base64.b64encode(first.read_bytes()).decode()}"
    table = pd.DataFrame({"first": [str(first), first.read_bytes(), address], "second": [str(second)] * 3})
    expected = load_model(model_folder).verify(first, second)
    found = loaded.predict(table)
    assert list(found.columns) == ["score", "decision", "threshold"]
    for row in found.itertuples():
        assert row.score == pytest.approx(expected.score, abs=1e-6)
        assert (row.decision, row.threshold) == (expected.decision, expected.threshold)
    as_lists = loaded.predict({"first": [str(first), str(second)], "second": [str(second), str(second)]})
    assert as_lists["score"].tolist() == pytest.approx([expected.score, 1])


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"first": ["missing.jpg"], "second": ["x"]}, "missing.jpg: there is no such file"),
        ({"first": [b"no image"], "second": [b"x"]}, "cannot be read as an image"),
        ({"first": ["data:image/png;base64,@"], "second": ["x"]}, "no base64"),
        ({"first": [3], "second": ["x"]}, "a photograph is a path or bytes, not int"),
        ({"first": ["x"]}, "second"),
    ],
)
def test_what_is_no_photograph_is_the_callers_mistake(loaded: Any, table: dict[str, Any], told: str) -> None:
    with pytest.raises(MlflowException, match=told) as raised:
        loaded.predict(pd.DataFrame(table))
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE" or told == "second"


def test_nothing_of_it_is_pickled_and_its_requirements_are_pinned(saved: Path) -> None:
    names = {path.name for path in saved.rglob("*") if path.is_file()}
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".pth", ".pt"))]
    assert {"pyfunc.py", "model.safetensors", "model.json"} <= names
    requirements = (saved / "requirements.txt").read_text().splitlines()
    assert all("==" in line and "+" not in line for line in requirements), requirements
    assert any(line.startswith("torch==") for line in requirements)


def test_it_is_logged_once_at_the_sweeps_run(store: tuple[MlflowClient, str], model_folder: Path) -> None:
    client, run_id = store
    before = client.get_run(run_id)
    address = log_best_model(model_folder, client, run_id)
    assert log_best_model(model_folder, client, run_id) == address
    (model,) = logged(client, run_id)
    assert (model.source_run_id, model.name, model.status) == (run_id, "best", "READY")
    facts = read_facts(model_folder)
    assert model.tags["trial"] == str(facts.sweep.trial)
    assert float(model.params["threshold"]) == facts.operating_point.threshold
    run = client.get_run(run_id)
    assert [each.model_id for each in run.outputs.model_outputs] == [model.model_id]
    assert (run.info.status, run.info.end_time) == (before.info.status, before.info.end_time)
    assert run.data.metrics == {}


def test_the_model_of_another_trial_is_logged_beside_it(store: tuple[MlflowClient, str], sweep: ServedSweep) -> None:
    client, run_id = store
    for _ in range(2):
        made = write_best_folder(sweep.folder)
        assert made is not None
        log_best_model(made, client, run_id)
        sweep.add_trial(0.01)
    assert len({model.tags["trial"] for model in logged(client, run_id)}) == 2


def test_what_a_kill_left_half_logged_is_made_anew(
    store: tuple[MlflowClient, str], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, run_id = store

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "log_model_artifacts", killed)
        with pytest.raises(KeyboardInterrupt):
            log_best_model(model_folder, client, run_id)
    (half,) = logged(client, run_id)
    assert half.status == "PENDING"
    log_best_model(model_folder, client, run_id)
    (whole,) = logged(client, run_id)
    assert whole.status == "READY"
    assert whole.model_id != half.model_id


def test_a_sweep_without_a_run_is_told_not_raised(store: tuple[MlflowClient, str], model_folder: Path) -> None:
    client, run_id = store
    assert attach_model(model_folder, client.tracking_uri, "searches", "abc") is None
    assert len(logged(client, run_id)) == 1
    assert attach_model(model_folder, client.tracking_uri, "searches", "another") == "the sweep has no run there"


def test_the_process_keeps_its_own_tracking_address(store: tuple[MlflowClient, str], model_folder: Path) -> None:
    client, run_id = store
    before = mlflow.get_tracking_uri()
    log_best_model(model_folder, client, run_id)
    assert mlflow.get_tracking_uri() == before
    assert mlflow.active_run() is None
