"""A Ray of our own: what is around its start and its end; no Ray is started here."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import ray
from ray._private.node import Node

import twinverify
from twinverify.search import orphans, ray_home
from twinverify.search.ray_server import dead_server, running_ray
from twinverify.search.resources import Resources

SHARES = Resources(cpus=1, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=1)
Started = dict[str, Any]


@pytest.fixture(autouse=True)
def _temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of our own for what is temporary, but for pytest's."""
    with tempfile.TemporaryDirectory() as place:
        monkeypatch.setattr(tempfile, "tempdir", place)
        monkeypatch.setattr(ray_home, "_LONGEST_PLACE", 1000)
        yield


@pytest.fixture
def started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Started:
    """What Ray is started with; it starts one process as Ray does, which Ray does not end."""
    name = getattr(request, "param", "raylet")
    seen: Started = {}

    def init(**options: Any) -> None:
        home = Path(options["_temp_dir"])
        home.mkdir()
        seen.update(options, home=home.parent, environment=dict(os.environ))
        token = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
        seen.setdefault("tokens", []).append((token.parent, token.stat().st_mode & 0o777, token.read_text()))
        # As Ray's node does, and its services.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        words = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
        seen["server"] = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}),
        )
        seen["server"].stdout.readline()
        seen["main"] = psutil.Process()
        seen["marked"] = orphans.marked(home.parent.name)
        node = SimpleNamespace(all_processes={name: [SimpleNamespace(process=seen["server"])]})
        monkeypatch.setattr(ray._private.worker, "_global_node", node)

    def shutdown() -> None:
        monkeypatch.setattr(ray._private.worker, "_global_node", None)

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", shutdown)
    monkeypatch.setattr(ray._private.worker, "print_to_stdstream", print)
    return seen


def blocked(pid: int) -> set[int]:
    """Read which of our three signals a process does not hear."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk")]
    mask = int(line.split()[1], 16)
    return {int(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) if mask >> (number - 1) & 1}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_rays_processes_do_not_hear_what_is_meant_for_us_and_we_do(started: Started, tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)]
    with running_ray(SHARES, tmp_path):
        assert blocked(started["server"].pid) == {1, 2, 15}
        assert blocked(os.getpid()) == set()
        assert [signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)] == handlers
    assert signal.signal(signal.SIGUSR2, signal.SIG_DFL) is not None  # handlers can be set again


@pytest.mark.parametrize("started", ["raylet", "gcs_server"], indirect=True)
def test_what_ray_starts_is_marked_and_gone_at_the_end_with_all_files(started: Started, tmp_path: Path) -> None:
    before = dict(os.environ)
    with running_ray(SHARES, tmp_path) as home:
        assert home == started["home"]
        assert home.stat().st_mode & 0o777 == 0o700
        assert [each.pid for each in started["marked"]] == [started["server"].pid]
        assert started["environment"]["http_proxy"] == "http://127.0.0.1:9"
        assert dict(os.environ) == before
    assert started["server"].wait(timeout=5) == -signal.SIGKILL
    assert not home.exists()


def test_each_start_of_ray_has_a_token_of_its_own_whatever_the_user_has_for_other_rays(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of a cluster")
    homes = []
    for _ in range(2):
        with running_ray(SHARES, tmp_path) as home:
            homes.append(home)
            assert "RAY_AUTH_TOKEN" not in started["environment"]
            assert os.environ["RAY_AUTH_TOKEN"] == "of a cluster"
    assert [(folder, mode) for folder, mode, _ in started["tokens"]] == [(home, 0o600) for home in homes]
    first, second = (token for _, _, token in started["tokens"])
    assert len(first) == len(second) == 64
    assert first != second


@pytest.mark.parametrize("dashboard", [False, True])
def test_ray_starts_no_process_that_only_serves_others(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dashboard: bool
) -> None:
    served: list[str] = []
    starts = ray.init
    servers = ("start_monitor", "start_log_monitor", "start_api_server")

    class Fake(Node):
        def __init__(self) -> None:
            self._webui_url = None

        def __del__(self) -> None: ...

    def init(**options: Any) -> None:
        node = Fake()
        for name in servers:
            getattr(node, name)()
        assert isinstance(node._webui_url, str)  # Ray hands it on as text
        starts(**options)

    for name in servers:
        monkeypatch.setattr(
            Node, name, lambda node, name=name, **_: (served.append(name), vars(node).update(_webui_url="x"))
        )
    as_before = [vars(Node)[name] for name in servers]
    monkeypatch.setattr(ray, "init", init)
    with running_ray(SHARES, tmp_path, dashboard=dashboard):
        assert served == (["start_api_server"] if dashboard else [])
    assert [vars(Node)[name] for name in servers] == as_before


def test_a_worker_for_each_slot_loads_its_modules_from_where_ours_are_with_the_threads_of_a_trial(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    shares = Resources(cpus=64, gpus=2, cpus_per_trial=16, gpus_per_trial=0.5, slots=4)
    with running_ray(shares, tmp_path, loads=("a.b", "c")):
        assert started["num_cpus"] == 4
        assert started["_system_config"]["preload_python_modules"] == ["a.b", "c"]
        assert started["environment"]["OMP_NUM_THREADS"] == "16"
        first, second = started["environment"]["PYTHONPATH"].split(os.pathsep)
        assert Path(first).samefile(Path(twinverify.__file__).parents[1])
        assert second == "/somewhere"
    assert "OMP_NUM_THREADS" not in os.environ


def test_a_users_own_number_of_threads_stays(started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with running_ray(SHARES, tmp_path):
        assert started["environment"]["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize("asked", [False, True])
def test_the_dashboard_is_served_when_asked_for_on_loopback(started: Started, tmp_path: Path, asked: bool) -> None:
    with running_ray(SHARES, tmp_path, dashboard=asked):
        assert (started["include_dashboard"], started["dashboard_host"]) == (asked, "127.0.0.1")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_start_that_fails_half_way_leaves_nothing(
    started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    starts = ray.init

    def fails(**options: Any) -> None:
        starts(**options)
        monkeypatch.setattr(ray._private.worker, "_global_node", None)  # Ray knows nothing of it yet
        raise error

    monkeypatch.setattr(ray, "init", fails)
    with pytest.raises(error), running_ray(SHARES, tmp_path):
        pytest.fail("it has not started")
    assert started["server"].wait(timeout=5) == -signal.SIGKILL
    assert not started["home"].exists()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_dead_server_is_told_with_its_cause(started: Started, tmp_path: Path) -> None:
    assert dead_server() is None
    with running_ray(SHARES, tmp_path):
        assert dead_server() is None
        started["server"].kill()
        started["server"].wait()
        assert dead_server() == "raylet (killed by signal 9)"
        started["server"].returncode = 1
        assert dead_server() == "raylet (exit status 1)"
