"""The doctor: what earlier tools and kills left in one experiment is told, and mended with repair=true."""

import contextlib
import json
import math
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ill_store import LONG_AGO, IllStore

from twinverify.doctor import main
from twinverify.errors import UserError
from twinverify.search.lock import locked

TUNES = {"done": [(1, 0.0)], "pid": [(1, 4e6)], "config/lr": [(1, 0.1)], "training_iteration": [(1, 1.0)]}


@pytest.fixture(params=["folder", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, laid_out: Path) -> IllStore:
    if request.param == "folder":
        return IllStore((tmp_path / "store").as_uri(), tmp_path / "store")
    shutil.copy(laid_out, tmp_path / "runs.db")
    return IllStore(f"sqlite:///{tmp_path}/runs.db", tmp_path)


@pytest.fixture(scope="session")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: MLflow takes seconds to lay one out."""
    folder = tmp_path_factory.mktemp("laid_out")
    IllStore(f"sqlite:///{folder}/runs.db", folder)
    return folder / "runs.db"


@pytest.fixture
def files(tmp_path: Path) -> IllStore:
    return IllStore((tmp_path / "store").as_uri(), tmp_path / "store")


def found(store: IllStore, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, list[str]]:
    """Give the runs of each kind of fault, by name."""
    capsys.readouterr()
    store.doctor("format=json", *words)
    return {each["kind"]: sorted(each["names"]) for each in json.loads(capsys.readouterr().out)["findings"]}


# ---- each fault


def test_a_clean_store_has_nothing_to_mend(store: IllStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.run("good", {"loss": [(1, 0.5), (2, 0.4)]})
    assert store.doctor() == 0
    assert capsys.readouterr().out == "experiment old: 1 run, nothing to mend\n"


def test_a_run_left_running_becomes_killed_and_ended_at_its_last_sign(store: IllStore) -> None:
    store.run("dead", {"loss": [(1, 0.5), (2, 0.4)]}, status=None)
    assert store.doctor() == 1
    assert store.runs()["dead"].info.status == "RUNNING"
    assert store.doctor("repair=true") == 0
    info = store.runs()["dead"].info
    assert info.status == "KILLED"
    assert info.end_time == pytest.approx(LONG_AGO * 1000, abs=5)
    assert store.doctor() == 0


def test_the_second_run_of_a_trial_is_deleted_and_can_be_restored(store: IllStore) -> None:
    first = store.tune_trial(3, {"loss": [(1, 0.5), (2, 0.4)]}, status=None)
    second = store.tune_trial(3, {"loss": [(3, 0.3), (4, 0.2), (5, 0.1)]}, at=LONG_AGO + 60)
    store.tune_trial(4, {"loss": [(1, 0.5)]})
    assert store.doctor("repair=true") == 0
    assert {run.info.run_id for run in store.runs().values() if run.data.params["lr"] == "3"} == {second}
    assert sorted(store.history(second, "loss")) == [(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2), (5, 0.1)]
    assert store.client.get_run(first).info.lifecycle_stage == "deleted"
    store.client.restore_run(first)
    assert (store.client.get_run(first).info.status, store.history(first, "loss")) == ("KILLED", [(1, 0.5), (2, 0.4)])


def test_the_fullest_run_gets_the_end_of_the_last(store: IllStore, capsys: pytest.CaptureFixture[str]) -> None:
    first = store.tune_trial(3, {"loss": [(1, 0.5), (2, 0.4), (3, 0.3)]}, status=None)
    store.tune_trial(3, {"loss": [(3, 0.31), (4, 0.2)]}, at=LONG_AGO + 60)
    assert found(store, capsys) == {"duplicate": ["train_5f3a1_00003"]}
    store.doctor("repair=true")
    (kept,) = store.runs().values()
    assert (kept.info.run_id, kept.info.status) == (first, "FINISHED")
    assert sorted(store.history(first, "loss")) == [(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)]
    assert store.doctor() == 0


def test_of_a_step_that_was_written_twice_the_later_stays(store: IllStore) -> None:
    run = store.run("twice", {"loss": [(1, 0.5), (2, 0.4), (2, 0.39), (3, 0.3), (3, 0.3)], "auc": [(1, 0.9)]})
    assert store.doctor("repair=true") == 0
    assert store.history(run, "loss") == [(1, 0.5), (2, 0.39), (3, 0.3)]
    assert store.history(run, "auc") == [(1, 0.9)]
    assert store.runs()["twice"].data.metrics == {"loss": 0.3, "auc": 0.9}
    assert store.doctor() == 0


def test_it_says_how_many_of_the_doubles_differ(store: IllStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.run("twice", {"loss": [(1, math.nan), (1, math.nan), (2, 0.4), (2, 0.39)]})
    store.doctor("format=json")
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["what"] == "steps twice: 2 values too many, 1 of them not the same value"


def test_a_metric_that_was_logged_without_steps_is_left(store: IllStore) -> None:
    run = store.run("no steps", {"loss": [(0, 0.5), (0, 0.4), (0, 0.3)]})
    assert store.doctor("repair=true") == 0
    assert store.history(run, "loss") == [(0, 0.5), (0, 0.4), (0, 0.3)]


def test_tunes_callback_always_gives_steps(store: IllStore) -> None:
    run = store.tune_trial(0, {"loss": [(0, 0.5), (0, 0.4)]})
    assert store.doctor("repair=true") == 0
    assert store.history(run, "loss") == [(0, 0.4)]


def test_tunes_bookkeeping_goes_and_results_stay(store: IllStore) -> None:
    run = store.tune_trial(0, {**TUNES, "loss": [(1, 0.5)], "time_per_image": [(1, 2.0)]})
    assert store.doctor("repair=true") == 0
    assert store.client.get_run(run).data.metrics == {"loss": 0.5, "time_per_image": 2.0}
    assert store.client.get_run(run).data.params == {"lr": "0"}
    assert store.doctor() == 0


def test_the_same_names_in_a_run_that_tune_did_not_write_are_its_users(store: IllStore) -> None:
    store.run("mine", {"done": [(1, 0.0)], "timestamp": [(1, 1.0)]})
    assert store.doctor() == 0


def test_a_run_of_another_trial_with_the_same_given_name_is_no_duplicate(store: IllStore) -> None:
    for at in (LONG_AGO, LONG_AGO + 60):
        store.run("mine", {"loss": [(1, 0.5)]}, tags={"trial_name": "mine"}, at=at)
    store.tune_trial(3, {"loss": [(1, 0.5)]})
    store.run("x", tags={"trial_name": "train_5f3a1_00003"}, params={"lr": "other"})
    assert store.doctor() == 0


# ---- who is alive


def test_a_run_that_was_heard_of_lately_is_left_alone(store: IllStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.run("alive", {"loss": [(1, 0.5), (1, 0.5)]}, status=None, at=time.time() - 30)
    assert store.doctor("repair=true") == 0
    assert store.runs()["alive"].info.status == "RUNNING"
    assert "Left alone: 1 run that may be alive" in capsys.readouterr().out
    assert found(store, capsys, "stale=1s") == {"running": ["alive"], "twice": ["alive"]}


def test_a_silent_run_whose_process_lives_is_left_alone(store: IllStore) -> None:
    began = time.time() - 5
    for name, pid, host in (("ours", os.getpid(), socket.gethostname()), ("another's", os.getpid(), "elsewhere")):
        store.run(name, {"loss": [(1, 0.5)]}, status=None, params={"pid": str(pid), "hostname": host}, at=began)
    assert store.doctor("repair=true", "stale=1s") == 0
    assert {name: run.info.status for name, run in store.runs().items()} == {"ours": "RUNNING", "another's": "KILLED"}


def test_a_process_that_has_the_number_by_now_is_not_the_runs(store: IllStore) -> None:
    store.run("dead", {"loss": [(1, 0.5)]}, status=None, params={"pid": str(os.getpid())})
    assert store.doctor() == 1


def test_a_parent_lives_as_long_as_a_child_does(store: IllStore) -> None:
    parent = store.run("parent", status=None)
    store.run("child", {"loss": [(1, 0.5)]}, status=None, tags={"mlflow.parentRunId": parent}, at=time.time() - 30)
    assert store.doctor("repair=true") == 0
    assert {run.info.status for run in store.runs().values()} == {"RUNNING"}


# ---- what is never touched


def test_other_experiments_are_not_touched(store: IllStore) -> None:
    for experiment in (store.experiment, store.other):
        store.run("dead", {"loss": [(1, 0.5), (1, 0.4)]}, status=None, experiment=experiment)
    before = store.files(store.other)
    assert store.doctor("repair=true") == 0
    (other,) = store.runs(store.other).values()
    assert (other.info.status, store.history(other.info.run_id, "loss")) == ("RUNNING", [(1, 0.5), (1, 0.4)])
    assert store.files(store.other) == before


def test_without_repair_nothing_is_changed(store: IllStore, tmp_path: Path) -> None:
    store.tune_trial(3, {**TUNES, "loss": [(1, 0.5), (1, 0.4)]}, status=None)
    store.tune_trial(3, {"loss": [(2, 0.3)]})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert store.doctor() == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_originals_are_kept_and_told(store: IllStore, capsys: pytest.CaptureFixture[str]) -> None:
    run = store.run("twice", {"loss": [(1, 0.5), (1, 0.4)]})
    store.doctor("repair=true")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("The originals are kept in ")]
    kept = Path(line.removeprefix("The originals are kept in "))
    if kept.is_dir():
        lines = (kept / store.experiment / run / "metrics" / "loss").read_text().splitlines()
    else:
        lines = sqlite3.connect(kept).execute("SELECT * FROM metrics").fetchall()
    assert len(lines) == 2


# ---- our own sweeps


@pytest.fixture
def own_sweep(files: IllStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Give what makes a sweep folder `mine`, whose id is `s1`, as far as the doctor looks at it."""
    from types import SimpleNamespace

    import twinverify.search.own_sweeps as command

    def make() -> Path:
        folder = tmp_path / "sweeps" / "mine"
        folder.mkdir(parents=True)
        (folder / "sweep.yaml").touch()
        monkeypatch.setattr(command, "read_sweep", lambda _: SimpleNamespace(sweep_id="s1"))
        return folder

    files.run("trial 000", {"loss": [(1, 0.5), (1, 0.4)]}, status=None, tags={"sweep_id": "s1", "trial": "0"})
    return make


def test_the_runs_of_a_sweep_of_ours_are_left_to_it(
    files: IllStore, own_sweep: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = own_sweep()
    assert files.doctor("repair=true", f"output={folder.parent}") == 0
    assert "mends them by python -m twinverify.tune resume=mine" in capsys.readouterr().out
    with locked(folder):
        assert files.doctor("repair=true", f"output={folder.parent}") == 0
        assert f"sweep mine, which is being run by process {os.getpid()} on" in capsys.readouterr().out
    assert files.runs()["trial 000"].info.status == "RUNNING"


def test_the_runs_of_a_sweep_whose_folder_is_gone_are_mended(
    files: IllStore, own_sweep: Callable[[], Path], tmp_path: Path
) -> None:
    assert files.doctor("repair=true", f"output={tmp_path}/nowhere") == 0
    run = files.runs()["trial 000"]
    assert (run.info.status, files.history(run.info.run_id, "loss")) == ("KILLED", [(1, 0.4)])


# ---- what a kill tears


def test_torn_runs_are_mended_and_the_experiment_can_be_searched_again(
    files: IllStore, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cut = files.run("cut", {"loss": [(1, 0.5), (2, 0.4)], "auc": [(1, 0.9)]}, status=None)
    lost = files.run("lost", {"loss": [(1, 0.5)]})
    files.run("good", {"loss": [(1, 0.5)]})
    folder = files.folder / files.experiment
    (folder / lost / "meta.yaml").write_text("")
    (folder / cut / "metrics" / "auc").write_text("")
    with (folder / cut / "metrics" / "loss").open("a") as file:
        file.write("179557")
    for run in (cut, lost):
        files.age(run)
    assert found(files, capsys) == {"cut": [cut], "lost": [lost]}
    assert files.doctor("repair=true") == 0
    assert sorted(files.runs()) == ["cut", "good"]
    assert files.history(cut, "loss") == [(1, 0.5), (2, 0.4)]
    assert files.runs()["cut"].info.status == "KILLED"
    (kept,) = (tmp_path / "store.before_doctor").glob(f"*/torn/{files.experiment}/{lost}/metrics/loss")
    assert kept.read_text().endswith(" 0.5 1\n")
    assert files.doctor() == 0


def test_a_run_that_is_being_written_may_look_torn_and_is_left(files: IllStore) -> None:
    run = files.run("young", {"loss": [(1, 0.5)]}, status=None)
    loss = files.folder / files.experiment / run / "metrics" / "loss"
    loss.write_text(loss.read_text() + "1795")
    assert files.doctor("repair=true") == 0
    assert loss.read_text().endswith("1795")


def test_what_a_link_leads_to_is_not_the_stores_to_mend(files: IllStore, tmp_path: Path) -> None:
    run = files.run("elsewhere", {"loss": [(1, 0.5)]})
    outside = (files.folder / files.experiment / run).rename(tmp_path / run)
    loss = outside / "metrics" / "loss"
    loss.write_text(loss.read_text() + "1795")
    (files.folder / files.experiment / run).symlink_to(outside)
    assert files.doctor("repair=true", "stale=1e-6") == 0
    assert loss.read_text().endswith("1795")


# ---- whatever the store holds

_ENTRIES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from([0.1, 0.2, math.nan])), max_size=6)
_RUNS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["RUNNING", "FINISHED"]), st.dictionaries(
        st.sampled_from(["loss", "val/eer", "pid", "config/lr"]), _ENTRIES.filter(bool), max_size=4)),
    max_size=5,
)  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=_RUNS, other=_RUNS)
def test_a_repair_loses_no_step_touches_no_other_experiment_and_leaves_nothing_for_a_second(
    old: list[tuple[int, str, dict[str, list[tuple[int, float]]]]],
    other: list[tuple[int, str, dict[str, list[tuple[int, float]]]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("drawn") / "store"
    store = IllStore(folder.as_uri(), folder)
    before: set[tuple[str, str, int]] = set()
    for runs, experiment in ((old, store.experiment), (other, store.other)):
        for number, status, metrics in runs:
            store.tune_trial(number, metrics, status=None if status == "RUNNING" else status, experiment=experiment)
            if experiment == store.experiment:
                results = {key: metrics[key] for key in metrics.keys() & {"loss", "val/eer"}}
                before |= {(str(number), key, step) for key, entries in results.items() for step, _ in entries}
    others = store.files(store.other)
    assert store.doctor("repair=true") == 0
    kept = store.runs().values()
    after = [
        (run.data.params["lr"], key, step)
        for run in kept
        for key in run.data.metrics
        for step, _ in store.history(run.info.run_id, key)
    ]
    assert set(after) == before
    assert len(kept) == len({number for number, *_ in old})
    assert store.files(store.other) == others
    assert store.doctor() == 0


# ---- bad input


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["tracking=off"], "there is nothing to look at"),
        (["experiment=odl"], "did you mean old?"),
        (["stale=soon"], "stale is 'soon'; allowed: seconds, or a number with s, m, h or d"),
        (["repair=yes please"], "repair is"),
        (["tracking=./nowhere"], "there are no runs in"),
    ],
)
def test_bad_input_is_one_line(files: IllStore, tmp_path: Path, words: list[str], line: str) -> None:
    own = [] if words[0].startswith("tracking") else [f"tracking={files.uri}"]
    with pytest.raises(UserError, match=line.replace("?", r"\?")):
        main([*own, *words])


def test_nothing_is_changed_where_the_originals_cannot_be_kept(files: IllStore, tmp_path: Path) -> None:
    run = files.run("twice", {"loss": [(1, 0.5), (1, 0.4)]})
    (tmp_path / "store.before_doctor").touch()
    with pytest.raises(UserError, match="nothing has been changed"):
        files.doctor("repair=true")
    assert files.history(run, "loss") == [(1, 0.5), (1, 0.4)]


def test_a_database_that_another_holds_is_told(laid_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(laid_out, tmp_path / "runs.db")
    store = IllStore(f"sqlite:///{tmp_path}/runs.db", tmp_path)
    run = store.run("twice", {"loss": [(1, 0.5), (1, 0.4)]})
    monkeypatch.setattr("twinverify.tracking.doctor.in_sqlite._PATIENCE", 0.1)
    with contextlib.closing(sqlite3.connect(tmp_path / "runs.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UserError, match="database is locked"):
            store.doctor("repair=true")
        other.rollback()
    assert store.history(run, "loss") == [(1, 0.5), (1, 0.4)]


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "repair=true" in capsys.readouterr().out
