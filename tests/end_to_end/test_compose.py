"""`compose.yaml` and `Dockerfile`: what they promise, and the image's own command on a real PostgreSQL.

No Docker is needed, so what is not tested is the building of the image, and Docker's network.
"""

import json
import re
import urllib.request
from pathlib import Path
from shlex import join
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from databases import postgresql
from tracking_server import Server

from twinverify.tracking.store import EXPERIMENT, open_experiment

ROOT = Path(__file__).parents[2]
PINNED = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


@pytest.fixture
def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


@pytest.fixture
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def test_only_the_server_is_reached_and_only_from_this_machine(services: dict[str, Any]) -> None:
    assert {name: service.get("ports", []) for name, service in services.items()} == {
        "server": ["127.0.0.1:${MLFLOW_PORT:-5000}:5000"],
        "database": [],
    }
    assert services["database"]["networks"] == ["inside"]
    assert services["server"]["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"] == "localhost:*,127.0.0.1:*"


def test_every_image_and_package_has_one_version(services: dict[str, Any], dockerfile: str) -> None:
    base = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    for image in [*base, *(service["image"] for service in services.values() if "image" in service)]:
        assert re.search(r":\d+\.\d+", image), image
    (installed,) = re.findall(r"pip install --no-cache-dir -c /tmp/constraints.txt (.*?) &&", dockerfile)
    assert [name for name in installed.split() if name not in PINNED] == []


def test_no_password_stands_in_a_file_and_without_one_nothing_starts(services: dict[str, Any]) -> None:
    for service in services.values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name:
                assert value.startswith("${DATABASE_PASSWORD:?"), name
        assert service["healthcheck"]["test"]
    address = urlsplit(services["server"]["environment"]["MLFLOW_BACKEND_STORE_URI"])
    assert address.password is None
    ours = services["database"]["environment"]
    assert (address.username, address.path) == (ours["POSTGRES_USER"], "/" + ours["POSTGRES_DB"])
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_images_command_serves_runs_and_artifacts_from_postgresql(
    services: dict[str, Any], dockerfile: str, tmp_path: Path
) -> None:
    command = json.loads(re.findall(r"^CMD (.*)", dockerfile, re.MULTILINE)[0])
    (own,) = re.findall(r"^ENV (.*)", dockerfile, re.MULTILINE)
    with postgresql() as address:
        database = urlsplit(address)
        there = f"postgresql+psycopg2://{database.username}@127.0.0.1:{database.port}{database.path}"
        settings = dict(word.split("=") for word in own.split()) | services["server"]["environment"]
        # What Docker's network and volume would give.
        settings |= {"MLFLOW_BACKEND_STORE_URI": there, "PGPASSWORD": unquote(database.password or "")}
        settings |= {"MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"), "MLFLOW_HOST": "127.0.0.1"}
        del settings["MLFLOW_PORT"]
        server = Server(tmp_path / "server", join(["env", *(f"{k}={v}" for k, v in settings.items()), *command]))
        server.start()
        try:
            client = server.store.client
            run = client.create_run(open_experiment(server.address, EXPERIMENT))
            client.log_text(run.info.run_id, "model: {}", "config.yaml")
            assert run.info.artifact_uri.startswith("mlflow-artifacts:")
            assert [path.read_text() for path in (tmp_path / "artifacts").rglob("config.yaml")] == ["model: {}"]
            assert Path(client.download_artifacts(run.info.run_id, "config.yaml")).read_text() == "model: {}"
            with pytest.raises(HTTPError, match="403"):
                asked(server.address, "evil.example:5000")
        finally:
            server.kill()


def asked(address: str, host: str) -> None:
    request = urllib.request.Request(
        f"{address}/api/2.0/mlflow/experiments/search?max_results=1", headers={"Host": host}
    )
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
