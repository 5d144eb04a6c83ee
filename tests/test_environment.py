"""What stands in the environment before a library is imported, and what comes of it."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

#: Under these MLflow keeps silent by itself, so that a test would prove nothing.
_TOLD_TO_LIBRARIES = (
    *("CI", "GITHUB", "GITLAB", "JENKINS", "TRAVIS", "TF_BUILD", "BITBUCKET", "CODEBUILD", "BUILDKITE", "TEAMCITY"),
    *("CLOUD_RUN", "RUNBOT", "PYTEST", "MLFLOW", "RAY", "TUNE", "DO_NOT_TRACK", "HF_"),
)


def asked(script: str, **environment: str) -> Any:
    """Run a script in a process with an environment like a user's; gives the JSON that it prints."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_TOLD_TO_LIBRARIES)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=clean | environment, capture_output=True, text=True, check=True, timeout=120
    )
    return json.loads(done.stdout.splitlines()[-1])


ALL = "import json, os; from twinverify.environment import prepare; prepare(); print(json.dumps(dict(os.environ)))"


@pytest.fixture(scope="module")
def prepared() -> dict[str, str]:
    return dict(asked(ALL))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_ALLOW_FILE_STORE", "true"),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
        ("DO_NOT_TRACK", "1"),
        ("RAY_USAGE_STATS_ENABLED", "0"),
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"),
        ("RAY_AUTH_MODE", "token"),
        ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
        ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"),
    ],
)
def test_prepare_sets_what_must_stand_before_the_imports(prepared: dict[str, str], name: str, value: str) -> None:
    assert prepared[name] == value


def test_what_keeps_the_work_private_cannot_be_undone_by_the_environment() -> None:
    careless = {
        "MLFLOW_DISABLE_TELEMETRY": "false",
        "DO_NOT_TRACK": "0",
        "RAY_USAGE_STATS_ENABLED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",
        "RAY_AUTH_MODE": "disabled",
        "MLFLOW_ALLOW_FILE_STORE": "true ",
    }
    told = asked(ALL, **careless)
    assert [name for name, value in careless.items() if told[name] == value] == []


def test_other_values_of_the_user_are_left_alone() -> None:
    own = {"TUNE_WARN_THRESHOLD_S": "5", "MLFLOW_TRACKING_URI": "http://mine", "MLFLOW_HTTP_REQUEST_TIMEOUT": "99"}
    told = asked(ALL, CUBLAS_WORKSPACE_CONFIG=":16:8", **own)
    assert told["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    assert told["TUNE_WARN_THRESHOLD_S"] == "5"
    assert told["MLFLOW_TRACKING_URI"] == "http://mine"
    assert told["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99"


def test_preparing_imports_nothing_heavy() -> None:
    script = (
        "import json, sys; from twinverify.environment import prepare; prepare();"
        " print(json.dumps([m for m in ('ray', 'mlflow', 'torch', 'optuna', 'huggingface_hub') if m in sys.modules]))"
    )
    assert asked(script) == []


def test_mlflow_sends_nothing_home() -> None:
    script = """
import json
{prepare}
from mlflow.telemetry import get_telemetry_client
from mlflow.telemetry.utils import is_telemetry_disabled
print(json.dumps([is_telemetry_disabled(), get_telemetry_client() is None]))
"""
    with_us = script.format(prepare="from twinverify.environment import prepare; prepare()")
    assert asked(with_us) == [True, True]
    # The proof that this test would see it: by itself MLflow's telemetry is on here (nothing is sent within a print).
    only_asking = (
        "import json; from mlflow.telemetry.utils import is_telemetry_disabled as off; print(json.dumps(off()))"
    )
    assert asked(only_asking, http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9") is False


def test_ray_and_the_hub_send_nothing_home() -> None:
    script = """
import json
from twinverify.environment import prepare
prepare()
from ray._common.usage.usage_lib import usage_stats_enabled
from huggingface_hub import constants
print(json.dumps([usage_stats_enabled(), constants.HF_HUB_DISABLE_TELEMETRY]))
"""
    assert asked(script) == [False, True]


def test_mlflow_opens_its_file_store() -> None:
    script = """
import json, tempfile
from twinverify.environment import prepare
prepare()
from mlflow import MlflowClient
with tempfile.TemporaryDirectory() as folder:
    print(json.dumps(MlflowClient("file:" + folder).create_experiment("x")))
"""
    assert asked(script)


def test_mlflows_client_sends_no_request_twice_by_itself() -> None:
    script = """
import json, socket, threading
from twinverify.environment import prepare
prepare()
from mlflow import MlflowClient
server, requests = socket.create_server(("127.0.0.1", 0)), []
def answer():
    while True:
        connection, _ = server.accept()
        requests.append(connection.recv(10_000))
        connection.close()  # the work may have been done
threading.Thread(target=answer, daemon=True).start()
try:
    MlflowClient(f"http://127.0.0.1:{server.getsockname()[1]}").create_run("0")
except Exception as error:
    print(json.dumps([sum(b"runs/create" in request for request in requests), type(error).__name__]))
"""
    assert asked(script) == [1, "MlflowException"]
