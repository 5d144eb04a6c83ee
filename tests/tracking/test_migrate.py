"""Runs of Weights & Biases become MLflow runs: of folders that the real `wandb` wrote, and of its exports."""

import json
import math
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from twinverify.errors import UserError
from twinverify.migrate import main
from twinverify.tracking.finding import find_runs
from twinverify.tracking.migration.arrival import Arrivals
from twinverify.tracking.migration.foreign import ForeignRun, Point, add_row
from twinverify.tracking.migration.names import mapped
from twinverify.tracking.migration.wandb_folder import folder_sources, run_folders
from twinverify.tracking.migration.wandb_log import Damaged, records
from twinverify.tracking.store import open_experiment


class Target:
    """The store that runs are migrated to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uri = folder.as_uri()

    def migrate(self, place: Path, *words: str) -> None:
        assert main([f"from={place}", f"tracking={self.uri}", *words]) == 0

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def runs(self) -> dict[str, Run]:
        experiment = self.client.get_experiment_by_name("wandb")
        return {run.info.run_name: run for run in find_runs(self.client, experiment.experiment_id, "")}

    def history(self, name: str, key: str) -> list[tuple[int, float]]:
        run_id = self.runs()[name].info.run_id
        return [(entry.step, entry.value) for entry in self.client.get_metric_history(run_id, key)]

    def files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


def exported(folder: Path) -> Path:
    file = folder / "runs.csv"
    file.write_text("Name,ID,State,lr\none,abc,finished,0.1\n")
    return file


def test_a_store_that_goes_away_is_a_line_and_what_has_arrived_stays(
    target: "Target", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise MlflowException("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", away)
        with pytest.raises(UserError, match=r"the database is away; the same command goes on there"):
            target.migrate(exported(tmp_path))
    target.migrate(exported(tmp_path))
    assert [run.info.status for run in target.runs().values()] == ["FINISHED"]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "store")


@pytest.fixture(scope="module")
def migrated(wandb_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """The real runs, migrated while every socket to a network is refused."""
    target = Target(tmp_path_factory.mktemp("migrated") / "store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socket", _refused)
        target.migrate(wandb_runs)
    return target


def _refused(*_: Any, **__: Any) -> None:
    raise AssertionError("a socket is opened")


# ---- folders of the real wandb


def test_a_runs_metrics_keep_steps_and_times(migrated: Target) -> None:
    assert migrated.history("run a", "loss_") == [(step, 1 / (step + 1)) for step in range(20)] + [(50, 0.5)]
    assert migrated.history("run a", "in.er") == [(step, step) for step in range(20)]
    run = migrated.runs()["run a"]
    times = [entry.timestamp for entry in migrated.client.get_metric_history(run.info.run_id, "acc_1")]
    assert run.info.start_time < times[0] <= times[-1] <= run.info.end_time
    assert times == sorted(times)


def test_infinite_and_undefined_values_stay_what_they_are(migrated: Target) -> None:
    ((step, value),) = migrated.history("run a", "bad")
    assert step == 3
    assert math.isnan(value)
    assert migrated.history("run a", "big") == [(3, -math.inf)]


def test_parameters_have_dotted_keys_and_long_ones_are_whole_in_the_artifact(migrated: Target, tmp_path: Path) -> None:
    run = migrated.runs()["run a"]
    params = run.data.params
    long = params.pop("text")
    told = json.loads(
        Path(migrated.client.download_artifacts(run.info.run_id, "wandb.json", str(tmp_path))).read_text()
    )
    assert params == {
        "lr": "0.001",
        "model.depth": "4",
        "model.name": "vit",
        "sizes": "[1, 2]",
        "none": "null",
        "later": "true",
    }
    assert len(long) == 6000
    assert told["long_parameters"] == {"text": "long " * 20_000}


def test_tags_state_and_ids_are_kept(migrated: Target) -> None:
    run = migrated.runs()["run a"]
    wanted = {
        "wandb_run_id": "aaa",
        "wandb_project": "twins",
        "wandb_entity": "me",
        "wandb_state": "finished",
        "wandb_tags": "x, y",
        "wandb_group": "ablation",
        "wandb_job_type": "train",
        "mlflow.note.content": "some **notes**",
    }
    assert {name: run.data.tags.get(name) for name in wanted} == wanted
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == migrated.runs()["group ablation"].info.run_id


def test_a_summary_that_no_history_has_and_the_machines_metrics_are_there(migrated: Target) -> None:
    metrics = migrated.runs()["run a"].data.metrics
    assert metrics["best"] == 0.25
    samples = [name for name in metrics if name.startswith("system/")]
    assert len(samples) > 3
    steps = [step for step, _ in migrated.history("run a", samples[0])]
    assert steps == list(range(len(steps)))


def test_what_was_printed_is_an_artifact(migrated: Target, tmp_path: Path) -> None:
    run = migrated.runs()["run a"]
    log = migrated.client.download_artifacts(run.info.run_id, "output.log", str(tmp_path))
    assert "something is printed" in Path(log).read_text()


def test_a_killed_runs_whole_records_are_taken(migrated: Target) -> None:
    run = migrated.runs()["run b"]
    history = migrated.history("run b", "loss")
    assert (run.info.status, run.data.tags["wandb_state"]) == ("KILLED", "killed")
    assert 100 < len(history) <= 600
    assert history == [(step, step) for step in range(len(history))]


def test_a_second_migration_changes_no_byte(
    migrated: Target, wandb_runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = migrated.files()
    migrated.migrate(wandb_runs)
    assert migrated.files() == before
    out = capsys.readouterr().out
    assert "0 new runs, 0 completed, 2 there already; 0 values of metrics written" in out
    assert "Left out, since MLflow's metrics are numbers: 1 of kind histogram, 1 of kind image, 1 of kind text" in out
    assert "loss -> loss_, acc@1 -> acc_1" in out


def take_all(arrivals: Arrivals, folder: Path) -> None:
    for source in folder_sources(run_folders(folder)):
        arrivals.take(source.read())


@pytest.mark.parametrize("at", [0, 30])
def test_an_interrupted_migration_goes_on(
    wandb_runs: Path, migrated: Target, target: Target, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    calls = iter(range(10**6))

    def failing(name: str) -> Callable[..., Any]:
        real = getattr(MlflowClient, name)

        def write(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            if next(calls) == at:
                raise KeyboardInterrupt
            return real(self, *args, **kwargs)

        return write

    monkeypatch.setattr("twinverify.tracking.batches.METRICS_A_BATCH", 10)
    arrivals = Arrivals(target.client, open_experiment(target.uri, "wandb"))
    with monkeypatch.context() as patch:
        for name in ("log_batch", "set_tag", "set_terminated", "log_text", "log_artifact"):
            patch.setattr(MlflowClient, name, failing(name))
        with pytest.raises(KeyboardInterrupt):
            take_all(arrivals, wandb_runs)
    target.migrate(wandb_runs)
    assert target.runs().keys() == migrated.runs().keys()
    for name, run in migrated.runs().items():
        other = target.runs()[name]
        assert (other.info.status, other.data.params) == (run.info.status, run.data.params)
        assert other.data.tags.keys() == run.data.tags.keys()
        assert other.data.metrics.keys() == run.data.metrics.keys()
        for key in run.data.metrics:
            assert str(target.history(name, key)) == str(migrated.history(name, key))


def test_however_a_file_is_cut_what_is_whole_is_taken(wandb_runs: Path, tmp_path: Path) -> None:
    (folder,) = [each for each in run_folders(wandb_runs) if each.name.endswith("aaa")]
    whole = folder_sources([folder])[0].read()
    data = (folder / "run-aaa.wandb").read_bytes()
    assert len(data) > 2 * 32768  # records go over the edges of blocks
    for size in (0, 5, 7, 9, 100, 32768, 32770, 70_000, len(data) - 1, len(data) - 400):
        cut = tmp_path / str(size) / folder.name
        cut.mkdir(parents=True)
        (cut / "run-aaa.wandb").write_bytes(data[:size])
        run = folder_sources([cut])[0].read()
        assert str(run.points) == str(whole.points[: len(run.points)])
        assert run.told or size == 7
        assert run.state in ("killed", "finished")


def test_a_changed_byte_is_found(wandb_runs: Path, tmp_path: Path) -> None:
    (folder,) = [each for each in run_folders(wandb_runs) if each.name.endswith("aaa")]
    data = bytearray((folder / "run-aaa.wandb").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "x.wandb").write_bytes(data)
    with pytest.raises(Damaged, match="is no record"):
        list(records(tmp_path / "x.wandb"))


def test_a_run_of_which_nothing_can_be_read_is_told(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "wandb" / "run-20260101_000000-xyz"
    folder.mkdir(parents=True)
    (folder / "run-xyz.wandb").write_bytes(b"")
    target.migrate(tmp_path)
    assert target.runs() == {}
    assert "xyz: nothing could be read of it" in capsys.readouterr().out


def test_a_row_without_a_name_and_values_is_told(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "table.csv").write_text("Name,State,lr\n,running,\n")
    target.migrate(tmp_path)
    assert target.runs() == {}
    assert "Note: a run without a name: nothing could be read of it" in capsys.readouterr().out


def test_older_versions_files_beside_help_where_the_records_are_damaged(target: Target, tmp_path: Path) -> None:
    folder = tmp_path / "run-20240101_000000-xyz"
    (folder / "files").mkdir(parents=True)
    (folder / "run-xyz.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    (folder / "files" / "config.yaml").write_text("_wandb:\n  value: {}\nlr:\n  desc: null\n  value: 0.1\n")
    (folder / "files" / "wandb-summary.json").write_text('{"loss": 0.5, "_step": 7}')
    target.migrate(tmp_path)
    data = target.runs()["xyz"].data
    assert (data.params, data.metrics) == ({"lr": "0.1"}, {"loss": 0.5})


def test_a_resumed_run_is_one_run(wandb_runs: Path, target: Target, tmp_path: Path) -> None:
    (folder,) = [each for each in run_folders(wandb_runs) if each.name.endswith("bbb")]
    for when in ("20250101_000000", "20250102_000000"):
        shutil.copytree(folder, tmp_path / f"run-{when}-bbb")
    target.migrate(tmp_path)
    assert len(target.runs()) == 1


# ---- JSON

RUN = {
    "id": "k1",
    "name": "swift-sun-1",
    "project": "twins",
    "entity": "me",
    "state": "crashed",
    "created_at": "2026-03-01T10:00:00",
    "tags": ["x"],
    "notes": "why",
    "sweep": "s9",
    "config": {"lr": {"value": 0.1, "desc": None}, "model": {"depth": 4}},
    "summary": {"loss": 0.2, "best": {"max": 0.9}, "_step": 2, "note": "text"},
    "history": [
        {"_step": 0, "_timestamp": 1772359200.5, "loss": 0.4, "x": None},
        {"_step": 2, "_timestamp": 1772359300, "loss": "NaN", "h": {"_type": "histogram", "values": [1]}},
    ],
    "system_metrics": {"system.gpu.0.gpu": 98.0},
}


@pytest.mark.parametrize("form", ["list", "one", "runs", "lines"])
def test_json_of_the_public_api(target: Target, tmp_path: Path, form: str) -> None:
    file = tmp_path / ("runs.jsonl" if form == "lines" else "runs.json")
    forms: dict[str, Any] = {"list": [RUN], "one": RUN, "runs": {"runs": [RUN]}}
    text = json.dumps(RUN) + "\n" + json.dumps(RUN | {"id": "k2", "name": "b"}) if form == "lines" else ""
    file.write_text(text or json.dumps(forms[form]))
    target.migrate(file)
    run = target.runs()["swift-sun-1"]
    assert run.data.params == {"lr": "0.1", "model.depth": "4"}
    assert run.data.metrics.keys() == {"loss", "best.max", "system/gpu.0.gpu"}
    entries = target.client.get_metric_history(run.info.run_id, "loss")
    assert [(entry.step, entry.timestamp) for entry in entries] == [(0, 1772359200500), (2, 1772359300000)]
    assert math.isnan(entries[1].value)
    assert run.info.status == "FAILED"
    assert run.info.start_time == 1772359200000
    assert run.data.tags["mlflow.parentRunId"] == target.runs()["sweep s9"].info.run_id
    assert len(target.runs()) == (3 if form == "lines" else 2)


def test_a_run_that_has_more_by_now_gets_only_that(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runs.json"
    for history in (RUN["history"], [*RUN["history"], {"_step": 3, "loss": 0.1}]):  # type: ignore[misc]
        file.write_text(json.dumps([{**RUN, "history": history}]))
        target.migrate(file)
    assert [step for step, _ in target.history("swift-sun-1", "loss")] == [0, 2, 3]
    # What only the summary tells stands at the last step.
    assert target.history("swift-sun-1", "best.max") == [(2, 0.9), (3, 0.9)]
    assert "0 new runs, 1 completed, 0 there already; 2 values of metrics written" in capsys.readouterr().out


# ---- CSV

TABLE = """"Name","ID","State","Notes","User","Tags","Created","Runtime","Sweep","lr","optimizer","acc","loss"
"run a","k1","finished","why","me","x, y","2026-03-01T10:00:00.000Z","60","","0.1","adam","0.9","0.2"
"run b","k2","crashed","-","me","","2026-03-02T10:00:00.000Z","30","s9","0.2","sgd","","NaN"
"""
CHART = """"Step","run a - loss","run a - loss__MIN","run a - loss__MAX","run b - loss","run b - loss__MIN"
"0","0.5","0.5","0.5","0.7","0.7"
"10","0.2","0.2","0.2","",""
"""


def test_a_table_with_a_chart(target: Target, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "chart.csv").write_text(CHART)
    target.migrate(tmp_path, "params=[lr]")
    runs = target.runs()
    assert target.history("run a", "loss") == [(0, 0.5), (10, 0.2)]
    assert target.history("run b", "loss") == [(0, 0.7)]
    assert runs["run a"].data.params == {"lr": "0.1", "optimizer": "adam"}
    assert runs["run a"].data.metrics == {"loss": 0.2, "acc": 0.9}
    assert (runs["run a"].info.status, runs["run b"].info.status) == ("FINISHED", "FAILED")
    assert runs["run a"].info.end_time - runs["run a"].info.start_time == 60_000
    assert runs["run a"].data.tags["wandb_tags"] == "x, y"
    assert "mlflow.note.content" not in runs["run b"].data.tags
    before = target.files()
    target.migrate(tmp_path, "params=[lr]")
    assert target.files() == before


def test_runs_of_one_name_are_told_apart_by_id_only(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *rows = TABLE.replace("run b", "run a").splitlines()
    (tmp_path / "chart.csv").write_text(CHART)
    (tmp_path / "table.csv").write_text("\n".join([head, *rows]))
    target.migrate(tmp_path)
    out = capsys.readouterr().out
    # Two of the table, and `run b`, which only the chart knows.
    assert "3 new runs" in out
    assert out.count("2 runs have this name, so the charts' values of it are left out") == 2
    (tmp_path / "table.csv").write_text(
        "\n".join([head, *rows]).replace('"ID"', '"x"').replace("k1", "").replace("k2", "")
    )
    target.migrate(tmp_path / "table.csv", "experiment=other")
    assert "1 new run, 0 completed" in (out := capsys.readouterr().out)
    assert "a second run of this name, and without ids: left out" in out


def test_without_params_a_tables_numbers_are_both(target: Target, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(TABLE)
    target.migrate(tmp_path / "table.csv")
    data = target.runs()["run a"].data
    assert data.params == {"lr": "0.1", "optimizer": "adam", "acc": "0.9", "loss": "0.2"}
    assert data.metrics == {"lr": 0.1, "acc": 0.9, "loss": 0.2}


def test_the_export_script_of_the_documentation(target: Target, tmp_path: Path) -> None:
    text = (
        ",summary,config,name\n0,\"{'loss': nan, 'a': -inf, 'text': 'nan it is'}\",\"{'lr': 0.1}\",sun\n"
        "1,\"{'loss': 0.5}\",\"{'lr': 0.2, 'on': True}\",moon\n"
    )
    (tmp_path / "project.csv").write_text(text)
    target.migrate(tmp_path / "project.csv")
    runs = target.runs()
    assert math.isnan(runs["sun"].data.metrics["loss"])
    assert runs["sun"].data.metrics["a"] == -math.inf
    assert runs["moon"].data.params == {"lr": "0.2", "on": "true"}


# ---- names

_NAMES = st.text(st.sampled_from("ab/@. é"), min_size=1, max_size=5)


@given(names=st.lists(_NAMES, max_size=8))
def test_every_name_gets_one_of_its_own_that_mlflow_and_a_file_system_take(names: list[str]) -> None:
    from mlflow.utils.validation import _validate_metric_name

    found = mapped(names)
    assert found.keys() == set(names)
    assert len(set(found.values())) == len(found)
    for name in found.values():
        try:
            _validate_metric_name(name)
        except MlflowException as error:
            raise AssertionError(name) from error
        assert not any(other.startswith(f"{name}/") for other in found.values())


def test_good_names_stay() -> None:
    names = ["loss", "val/eer", "val/auc", "system/cpu.0", "a b-c_d:e"]
    assert mapped(names) == {name: name for name in names}


def test_a_row_tells_numbers_and_counts_the_rest() -> None:
    run = ForeignRun()
    add_row(run, {"_step": 4, "_timestamp": 9, "a": True, "b": {"c": 1}, "d": [1], "e": "x", "f": 10**400}, 4)
    assert run.points == [Point("a", 4, 9.0, 1.0), Point("b.c", 4, 9.0, 1.0), Point("f", 4, 9.0, math.inf)]
    assert run.left_out == {"list": 1, "text": 1}


# ---- bad input


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("empty/", None, "no runs; looked for run-* and offline-run-*"),
        ("missing.csv", None, "there is no such folder or file"),
        ("a.txt", "x", "of another format; known are .wandb, .csv, .json and .jsonl"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[1]", "no runs of Weights & Biases"),
        ("a.csv", "x,y\n1,2\n", "not an export of Weights & Biases"),
        ("a.csv", '"Wall Time","a - loss"\n1.5,2\n', "choose Step in the chart's settings"),
        ("a.csv", "Step,a - loss\n1.5,2\n", "1.5 is no step"),
        ("a.csv", "name,config,summary\na,{,{}\n", "is no dictionary as Python shows it"),
    ],
)
def test_bad_input_is_one_line(target: Target, tmp_path: Path, name: str, text: str | None, line: str) -> None:
    place = tmp_path / name
    if text is not None:
        place.write_text(text)
    elif name.endswith("/"):
        place.mkdir()
    with pytest.raises(UserError) as told:
        target.migrate(place)
    assert line in str(told.value)
    assert not target.folder.exists()


def test_a_missing_package_is_told_with_the_command(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run-20260101_000000-xyz"
    folder.mkdir()
    (folder / "run-xyz.wandb").touch()
    for name in ("wandb", "wandb.proto"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(UserError, match=r'pip install -c constraints.txt -e ".\[wandb\]"'):
        target.migrate(tmp_path)


def test_the_key_is_called_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "from=wandb" in capsys.readouterr().out
    with pytest.raises(UserError, match="from is needed"):
        main([])
