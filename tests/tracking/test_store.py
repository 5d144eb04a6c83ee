import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.tracking.address import resolve_tracking, store_path
from twinverify.tracking.store import (
    EXPERIMENT,
    KIND_TAG,
    MODEL_TRAINING,
    experiment_name,
    find_experiment,
    open_experiment,
    store_trouble,
)

prepare()
# Imported only now: MLflow reads its environment at import.
from mlflow import MlflowClient  # noqa: E402


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def answering(reply: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Run an HTTP server on loopback; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def says(status: int, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(body)

    return reply


@pytest.mark.parametrize("tracking", [None, "default"])
def test_the_default_is_the_projects_own_file_store(here: Path, tracking: str | None) -> None:
    (here / "search_spaces").mkdir()  # what marks a project
    (here / "deep" / "down").mkdir(parents=True)
    os.chdir(here / "deep" / "down")

    assert resolve_tracking(tracking) == (here / "mlflow_experiments").as_uri()


def test_off_means_no_tracking() -> None:
    assert resolve_tracking("off") is None


@pytest.mark.parametrize("tracking", ["file:./my runs#1", "file:my%20runs%231", "./my runs#1", "sub/../my runs#1"])
def test_every_way_to_write_a_folder_gives_one_absolute_address(here: Path, tracking: str) -> None:
    if tracking == "file:./my runs#1":
        tracking = tracking.replace("#", "%23")  # in an address, # begins a fragment

    assert resolve_tracking(tracking) == (here / "my runs#1").as_uri()


def test_a_relative_sqlite_file_becomes_absolute(here: Path) -> None:
    assert resolve_tracking("sqlite:///runs.db") == f"sqlite:///{here}/runs.db"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(name=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=40))
def test_a_folder_of_any_name_comes_back_from_its_address(tmp_path: Path, name: str) -> None:
    folder = Path(os.path.normpath(tmp_path / name))

    assert store_path(resolve_tracking(str(tmp_path / name)) or "") == folder


@pytest.mark.parametrize(
    ("tracking", "hint"),
    [
        ("", "known: default, off"),
        ("of", "new folder: ./of"),
        ("defualt", "known: default"),
        ("localhost:5000", "did you mean http://localhost:5000"),
        ("ftp://host/runs", "known: default, off, a folder"),
        ("htp://localhost:5000", "did you mean http://localhost:5000?"),
        ("sqllite:///runs.db", "did you mean sqlite:///runs.db?"),
        ("http:/localhost:5000", "did you mean http://localhost:5000?"),
        ("http//localhost:5000", "did you mean http://localhost:5000?"),
        ("localhost", "did you mean http://localhost:5000?"),
        ("127.0.0.1:5000/#/experiments/1", "did you mean http://127.0.0.1:5000?"),
        ("http://127.0.0.1:5000/#/experiments/1", "did you mean http://127.0.0.1:5000?"),
        ("http://", "http://HOST:PORT"),
        ("http://host:port", "http://HOST:PORT"),
        ("file://server/runs", "file:///server/runs"),
        ("file:", "the folder is missing"),
        ("sqlite://", "sqlite:///FILE.db"),
        ("sqlite:runs.db", "did you mean sqlite:///runs.db?"),
        ("sqlite://runs.db", "did you mean sqlite:///runs.db?"),
        ("sqlite:///missing/runs.db", "its folder does not exist"),
        ("sqlite:///folder", "is a folder"),
        ("sqlite:///text", "not an SQLite file"),
        ("./text", "is a file"),
        ("text/below", "is a file"),
        (
            "postgresql://me:secret@host/db",
            "mlflow server --backend-store-uri postgresql+psycopg2://me:PASSWORD@host/db",
        ),
        ("postgres://me:secret@host/db", "mlflow server --backend-store-uri postgresql+psycopg2://me:PASSWORD@host/db"),
        ("mysql://me:se/c@secret@host/db", "--backend-store-uri mysql+pymysql://me:PASSWORD@host/db and give"),
        ("mariadb://host/a b", "--backend-store-uri 'mysql+pymysql://host/a b' and give"),
        ("mysql+pymysql://host/db", "--backend-store-uri mysql+pymysql://host/db and give"),
        ("mysql+nowhere://host/db", "pip install -c constraints.txt -e '.[databases]' && MLFLOW"),
    ],
)
def test_a_wrong_place_is_refused_with_what_would_be_right(here: Path, tracking: str, hint: str) -> None:
    (here / "folder").mkdir()
    (here / "text").write_text("not a database")

    with pytest.raises(UserError, match=re.escape(hint)) as refused:
        resolve_tracking(tracking)

    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert sorted(path.name for path in here.iterdir()) == ["folder", "text"]


@pytest.mark.skipif(os.name != "posix", reason="permissions as on Unix")
def test_a_folder_without_permission_is_refused() -> None:
    probe = (
        "import os; from twinverify.tracking.address import UserError, resolve_tracking\n"
        "os.geteuid() or os.seteuid(65534)  # root may write anywhere\n"
        "try: print('accepted', resolve_tracking('/usr/twinverify'))\n"
        "except UserError as error: print(error)"
    )

    said = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout

    assert "no permission to write to /usr" in said


def test_an_mlflow_server_that_answers_is_accepted() -> None:
    with answering(says(200, b"OK")) as address:
        assert resolve_tracking(f"{address}/") == address


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>Jupyter</html>"), (403, b""), (404, b"")])
def test_another_kind_of_server_is_refused(status: int, body: bytes) -> None:
    with answering(says(status, body)) as address, pytest.raises(UserError, match="not an MLflow server"):
        resolve_tracking(address)


def test_a_proxy_is_not_asked_for_a_server_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with answering(says(200, b"OK")) as address:
        assert resolve_tracking(address) == address


def test_a_port_without_a_server_is_refused_with_the_command_that_starts_one() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        with pytest.raises(UserError, match=rf"no server answers .*mlflow server --port {port}"):
            resolve_tracking(f"http://127.0.0.1:{port}")


def test_a_server_that_never_answers_is_refused_in_time() -> None:
    hang_up = threading.Event()
    start = time.monotonic()
    with answering(lambda _: hang_up.wait(20) and None) as address:
        with pytest.raises(UserError, match="no server answers"):
            resolve_tracking(address)
        took = time.monotonic() - start
        hang_up.set()

    assert took < 4


@pytest.fixture(params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, here: Path) -> str:
    address = resolve_tracking("./store" if request.param == "file" else "sqlite:///store.db")
    assert address
    return address


def test_an_experiment_is_made_once_and_shown_as_model_training(store: str) -> None:
    first = open_experiment(store, EXPERIMENT)

    assert open_experiment(store, EXPERIMENT) == first
    assert find_experiment(store, EXPERIMENT)[1] == first
    assert MlflowClient(store).get_experiment(first).tags[KIND_TAG] == MODEL_TRAINING


def test_artifacts_lie_beside_the_store_wherever_the_first_command_ran(store: str, here: Path) -> None:
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")

    location = MlflowClient(store).get_experiment(open_experiment(store, "a/b c")).artifact_location

    assert location.startswith(here.as_uri())
    assert "elsewhere" not in location


def test_mlflows_own_experiment_keeps_its_artifacts_beside_the_store_too(store: str, here: Path) -> None:
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")

    number = open_experiment(store, "Default")

    location = MlflowClient(store).get_experiment(number).artifact_location
    # `store/…` or `store_artifacts/0`; not `elsewhere/mlruns/0`.
    assert location.startswith((here / "store").as_uri())


@pytest.mark.parametrize("name", ["Default", "100 %_ü/ñ, (双子) 🙂; --", "x" * 200])
def test_an_experiment_of_any_name_on_one_line_is_found_again(store: str, name: str) -> None:
    assert experiment_name(name) == name
    number = open_experiment(store, name)

    assert store_trouble(store, name) is None
    assert open_experiment(store, name) == find_experiment(store, name)[1] == number


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 201, "\x1b[31mred", "it's", 'a"b', "a\\b"])
def test_a_name_that_no_line_or_no_database_holds_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="allowed: 1 to 200 letters and signs on one line"):
        experiment_name(name)


def test_a_copy_of_a_store_without_its_empty_folders_can_be_used(here: Path) -> None:
    uri = (here / "store").as_uri()
    open_experiment(uri, EXPERIMENT)
    (here / "store" / ".trash").rmdir()

    assert store_trouble(uri, EXPERIMENT) is None


@pytest.mark.parametrize(("found", "kept"), [("genai_development", True), ("genai_development_inferred", False)])
def test_a_view_that_somebody_chose_stays(here: Path, found: str, kept: bool) -> None:
    uri = (here / "store").as_uri()
    client = MlflowClient(uri)
    client.create_experiment("theirs", tags={KIND_TAG: found})

    experiment = open_experiment(uri, "theirs")

    assert client.get_experiment(experiment).tags[KIND_TAG] == (found if kept else MODEL_TRAINING)


def test_an_experiment_deleted_in_the_ui_is_not_brought_back_unasked(store: str) -> None:
    client = MlflowClient(store)
    number = open_experiment(store, "gone")
    client.delete_experiment(number)

    with pytest.raises(UserError, match=rf"was deleted .*mlflow experiments restore -x {number}"):
        open_experiment(store, "gone")
    assert "was deleted" in str(store_trouble(store, "gone"))


def test_a_store_that_is_not_there_yet_is_not_made_by_looking(here: Path) -> None:
    with pytest.raises(UserError, match=r"no runs in .*twinverify\.tune"):
        find_experiment((here / "store").as_uri(), EXPERIMENT)

    assert not (here / "store").exists()


@pytest.mark.parametrize("uri", ["file:///proc/store", "sqlite:////proc/runs.db"])
def test_a_store_where_nothing_can_be_made_is_named_before_anything_starts(uri: str) -> None:
    # Permissions say yes to root there.
    assert re.fullmatch(
        r"tracking /proc/\S+: cannot be made \(.+\); choose another .*", str(store_trouble(uri, EXPERIMENT))
    )


def test_asking_whether_a_store_can_be_made_leaves_nothing(here: Path) -> None:
    before = sorted(here.rglob("*"))
    assert store_trouble((here / "a" / "store").as_uri(), EXPERIMENT) is None
    assert sorted(here.rglob("*")) == before


def test_a_fresh_clones_store_with_nothing_but_its_readme_says_how_to_fill_it(here: Path) -> None:
    (here / "store").mkdir()
    (here / "store" / "README.md").touch()

    with pytest.raises(UserError, match=r"no runs in .*twinverify\.tune"):
        find_experiment((here / "store").as_uri(), None)

    assert [path.name for path in (here / "store").iterdir()] == ["README.md"]


def test_without_sweeps_the_newest_experiment_is_shown(store: str) -> None:
    open_experiment(store, "older")
    newest = open_experiment(store, "newer")

    assert find_experiment(store, None)[1] == newest


def test_a_misspelt_experiment_names_the_nearest(store: str) -> None:
    open_experiment(store, EXPERIMENT)

    with pytest.raises(UserError, match=f"did you mean {EXPERIMENT}"):
        find_experiment(store, EXPERIMENT.replace("twin", "twins"))


def test_processes_that_open_a_new_store_at_once_get_one_experiment(store: str) -> None:
    probe = (
        "from twinverify.environment import prepare; prepare()\n"
        "from twinverify.tracking.store import open_experiment; import mlflow, sys\n"
        "print('ready', flush=True); input(); print(open_experiment(sys.argv[1], 'race'))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", probe, store],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()

    numbers = {racer.communicate(timeout=120)[0].strip() for racer in racers}

    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len(numbers) == 1
    names = [experiment.name for experiment in MlflowClient(store).search_experiments()]
    assert names.count("race") == 1
