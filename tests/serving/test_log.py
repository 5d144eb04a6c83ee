"""The model in MLflow: served without pickles, logged once, whole or not at all."""

import base64
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from served_sweep import ServedSweep

from twinverify import serving
from twinverify.environment import prepare
from twinverify.serving import log as log_module
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


def killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


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


def test_the_model_of_another_trial_takes_its_place(store: tuple[MlflowClient, str], sweep: ServedSweep) -> None:
    client, run_id = store
    for _ in range(2):
        made = write_best_folder(sweep.folder)
        assert made is not None
        address = log_best_model(made, client, run_id)
        sweep.add_trial(0.01)
    (model,) = logged(client, run_id)
    assert (model.model_uri, model.tags["trial"]) == (address, "2")


def test_the_same_trial_with_another_threshold_is_another_model(
    store: tuple[MlflowClient, str], model_copy: Path
) -> None:
    client, run_id = store
    first = log_best_model(model_copy, client, run_id)
    facts = read_facts(model_copy)
    point = facts.operating_point.model_copy(update={"threshold": 0.25})
    (model_copy / "model.json").write_text(facts.model_copy(update={"operating_point": point}).to_json())
    second = log_best_model(model_copy, client, run_id)
    (model,) = logged(client, run_id)
    assert first != second == model.model_uri
    assert float(model.params["threshold"]) == 0.25


def test_the_old_model_goes_only_when_the_new_one_is_whole(
    store: tuple[MlflowClient, str], sweep: ServedSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, run_id = store
    made = write_best_folder(sweep.folder)
    assert made is not None
    old = log_best_model(made, client, run_id)
    sweep.add_trial(0.01)
    write_best_folder(sweep.folder)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "finalize_logged_model", killed)
        with pytest.raises(KeyboardInterrupt):
            log_best_model(made, client, run_id)
    assert [model.model_uri for model in logged(client, run_id) if model.status == "READY"] == [old]


@pytest.mark.parametrize("step", ["log_outputs", "delete_logged_model"])
def test_what_a_kill_left_after_the_upload_is_mended_without_another(
    store: tuple[MlflowClient, str], sweep: ServedSweep, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    client, run_id = store
    made = write_best_folder(sweep.folder)
    assert made is not None
    log_best_model(made, client, run_id)
    sweep.add_trial(0.01)
    write_best_folder(sweep.folder)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, step, killed)
        with pytest.raises(KeyboardInterrupt):
            log_best_model(made, client, run_id)
    assert len(logged(client, run_id)) == 2
    monkeypatch.setattr(MlflowClient, "create_logged_model", killed)
    for _ in range(2):
        address = log_best_model(made, client, run_id)
    (model,) = logged(client, run_id)
    assert model.model_uri == address
    outputs = [each.model_id for each in client.get_run(run_id).outputs.model_outputs]
    assert outputs.count(model.model_id) == 1


def test_it_tells_nothing_of_where_things_lay_and_loads_by_both_addresses(
    store: tuple[MlflowClient, str], model_folder: Path, tmp_path: Path, finished: ServedSweep
) -> None:
    client, run_id = store
    address = log_best_model(model_folder, client, run_id)
    (model,) = logged(client, run_id)
    files = [path for path in Path(model.artifact_location.removeprefix("file://")).rglob("*") if path.is_file()]
    assert {"MLmodel", "model.safetensors"} <= {path.name for path in files}
    whole = b"".join(path.read_bytes() for path in files)
    for place in (tmp_path, model_folder, Path(serving.__file__).parents[2], Path.home() / "x"):
        assert f"{place.parent}/".encode() not in whole, place
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        for uri in (address, f"runs:/{run_id}/best"):
            found = mlflow.pyfunc.load_model(uri)
            faces = [str(finished.faces[0])]
            assert found.predict(pd.DataFrame({"first": faces, "second": faces}))["score"][0] == pytest.approx(1)
    finally:
        mlflow.set_tracking_uri(None)


def test_a_large_model_is_waited_for_longer(
    store: tuple[MlflowClient, str], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    def at_own_run(*_: Any, patience: float) -> None:
        waited.append(patience)

    monkeypatch.setattr(log_module, "at_own_run", at_own_run)
    attach_model(model_folder, store[0].tracking_uri, "searches", "abc")
    size = sum(path.stat().st_size for path in model_folder.iterdir())
    assert waited == [pytest.approx(60 + size / 1e6)]


# ---- a server


def answer(model: Any, first: str, second: str) -> tuple[int, str]:
    """Ask as a client asks MLflow's server."""
    asked = json.dumps({"dataframe_records": [{"first": first, "second": second}]})
    schema = model.metadata.get_input_schema()
    try:
        found = scoring_server.invocations(asked, "application/json", model, schema)
    except MlflowException as error:
        return error.get_http_status_code(), error.message
    return found.status, found.response


@pytest.mark.parametrize(
    ("said", "as_server", "takes"),
    [
        (None, None, True),
        (None, "true", False),
        ("allow", "true", True),
        ("refuse", None, False),
        ("yes", None, False),
    ],
)
def test_a_server_opens_no_path_and_does_not_tell_which_are_there(
    loaded: Any,
    finished: ServedSweep,
    monkeypatch: pytest.MonkeyPatch,
    said: str | None,
    as_server: str | None,
    takes: bool,
) -> None:
    for name, value in (("TWINVERIFY_PATHS", said), ("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", as_server)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    face = finished.faces[0]
    there, absent = answer(loaded, str(face), str(face)), answer(loaded, "/none.png", "/none.png")
    address = f"data:image/png;base64,{base64.b64encode(face.read_bytes()).decode()}"
    assert answer(loaded, address, address)[0] == 200
    if takes:
        assert there[0] == 200
        assert "there is no such file" in absent[1]
    else:
        assert there[0] == absent[0] == 400
        # Before that MLflow says again what was sent.
        assert there[1].partition("Error:")[2] == absent[1].partition("Error:")[2] != ""
        assert "a server opens no paths" in there[1]


@pytest.mark.parametrize("module", ["mlflow.pyfunc.scoring_server.app", "mlserver"])
def test_a_server_is_known_by_what_it_is_too(
    loaded: Any, finished: ServedSweep, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    assert "a server opens no paths" in answer(loaded, str(finished.faces[0]), "/none.png")[1]


def test_mlflows_own_server_marks_its_process(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "false")  # put back afterwards
    scoring_server.init(loaded)
    assert "a server opens no paths" in answer(loaded, "/none.png", "/none.png")[1]


def test_what_a_kill_left_half_logged_is_made_anew(
    store: tuple[MlflowClient, str], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, run_id = store
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
