"""The MLflow UI where others could reach it: over real HTTP, at an address that is this machine's and not 127.0.0.1."""

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest
from browser import chromium
from ui_command import link, ui

from twinverify.environment import prepare
from twinverify.tracking.store import EXPERIMENT, open_experiment

prepare()
# Imported only now: MLflow reads its environment at import.
from mlflow import MlflowClient  # noqa: E402

#: Another address than 127.0.0.1, and yet nothing that is sent to it leaves the machine.
OTHER, PORT = "127.0.0.2", 5760


@dataclass(frozen=True)
class Guarded:
    """A UI behind its login."""

    printed: str
    pid: int
    run: str
    port: int
    password: str

    def status(self, path: str, *, method: str = "GET", login: str | None = None, **headers: str) -> int:
        """Give what it answers to a request, with the password unless `login` is another."""
        told = b64encode((f"admin:{self.password}" if login is None else login).encode()).decode()
        connection = HTTPConnection(OTHER, self.port, timeout=60)
        own = {"Authorization": f"Basic {told}"} if login != "" else {}
        connection.request(method, path, "{}" if method != "GET" else None, own | headers)
        return connection.getresponse().status


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    store = (tmp_path_factory.mktemp("guarded") / "store").as_uri()
    client = MlflowClient(store)
    run = client.create_run(open_experiment(store, EXPERIMENT), run_name="seen by those with the password").info.run_id
    client.log_text(run, "private", "note.txt")
    with pytest.MonkeyPatch.context() as environment:
        # What a user has set for a server of their own opens nothing here.
        environment.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
        environment.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "*")
        environment.setenv("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "*")
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        with ui(elsewhere, f"tracking={store}", f"host={OTHER}", f"port={PORT}") as (process, text):
            port = int(re.findall(r"http://127\.0\.0\.2:(\d+)/", text)[0])
            yield Guarded(text, process.pid, run, port, re.findall(r"password (\S+)\.$", text, re.MULTILINE)[0])
            assert list(elsewhere.iterdir()) == []


#: Pages, the API, artifacts read and written: MLflow serves them by three different routers.
PLACES = [
    ("GET", "/"),
    ("GET", "/version"),
    ("GET", "/api/2.0/mlflow/experiments/search?max_results=5"),
    ("POST", "/ajax-api/2.0/mlflow/runs/search"),
    ("GET", "/get-artifact?path=note.txt&run_uuid={run}"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x.txt"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts?path=x"),
    ("POST", "/graphql"),
    ("POST", "/v1/traces"),
    ("GET", "/signup"),
    ("GET", "/ajax-api/3.0/mlflow/assistant/config"),
]


@pytest.mark.parametrize(("method", "path"), PLACES)
@pytest.mark.parametrize("login", ["", "admin:password1234", "admin:", "twinverify:wrong"])
def test_without_the_password_nothing_is_given(guarded: Guarded, method: str, path: str, login: str) -> None:
    assert guarded.status(path.format(run=guarded.run), method=method, login=login) == 401


def test_with_it_all_is(guarded: Guarded) -> None:
    for path in ("/", PLACES[2][1], PLACES[4][1].format(run=guarded.run)):
        assert guarded.status(path) == 200, path


@pytest.mark.parametrize("host", ["evil.example", "10.evil.example:{port}", "127.0.0.1:{port}", "127.0.0.2"])
def test_a_request_for_another_name_is_refused(guarded: Guarded, host: str) -> None:
    assert guarded.status("/", Host=host.format(port=guarded.port)) == 403


def test_pages_of_elsewhere_change_nothing_and_its_own_do(guarded: Guarded) -> None:
    search, own = PLACES[3][1], f"http://{OTHER}:{guarded.port}"
    told = {"Content-Type": "application/json"}
    assert guarded.status(search, method="POST", Origin="http://evil.example", **told) == 403
    assert guarded.status(search, method="POST", Origin=own, **told) == 200


def test_the_assistant_is_not_there(guarded: Guarded) -> None:
    assert guarded.status("/ajax-api/3.0/mlflow/assistant/config") == 404


def test_one_line_warns_and_one_tells_the_password(guarded: Guarded) -> None:
    lines = guarded.printed.splitlines()
    assert [line for line in lines if "warning" in line] == [
        f"twinverify: warning: whoever reaches http://{OTHER}:{guarded.port} and has the password sees, changes and"
        " deletes runs; nothing is encrypted on the way"
    ]
    assert lines.count(f"User admin, password {guarded.password}.") == 1
    assert len(lines) == 4


def test_it_listens_there_only_and_its_users_are_nobody_elses(guarded: Guarded) -> None:
    process = psutil.Process(guarded.pid)
    assert {each.laddr.ip for each in process.net_connections() if each.status == "LISTEN"} == {OTHER}
    users = {Path(each.path) for each in process.open_files() if Path(each.path).name == "users.db"}
    assert {path.stat().st_mode & 0o777 for path in users} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in users} == {0o700}


def test_the_page_works_behind_the_login(guarded: Guarded) -> None:
    with chromium() as browser:
        login = {"username": "admin", "password": guarded.password}
        page = browser.new_context(http_credentials=login).new_page()
        page.goto(link(guarded.printed))
        page.get_by_text("seen by those with the password").first.wait_for(timeout=60_000)
