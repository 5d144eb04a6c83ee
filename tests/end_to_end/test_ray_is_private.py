"""Ray serves its sweep alone: what it is told reaches its workers, no process of it meets the network, and whoever has
not its token is refused. What all commands do on the network is in `test_silence.py`."""

import json
import subprocess
import sys
from typing import Any

import pytest
from command_line import environment

from twinverify.silence.calls import is_loopback

#: Starts Ray as a sweep does, and prints what an actor finds in its environment, all sockets seen for 4 s, and how
#: clients fare that have another token than the sweep's, none, or its own.
_LOOK = '''
import json, os, subprocess, sys, time
from twinverify.environment import prepare

for_us = set(os.environ)
prepare()
names = sorted(set(os.environ) - for_us)
os.environ.update(dict.fromkeys(names, "the user's"))
prepare()
always = {name: os.environ[name] for name in names if os.environ[name] != "the user's"}
for name in set(names) - set(always):
    del os.environ[name]
prepare()

from pathlib import Path

import psutil
import ray
from twinverify.search.ray_server import TOKEN, running_ray
from twinverify.search.resources import Resources

class Asked:
    def environment(self):
        return dict(os.environ)

CLIENT = """
import sys
from ray._raylet import GcsClient
print("in:", len(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", namespace=b"", timeout=60)))
"""

def clients(home):
    address = ray.get_runtime_context().gcs_address
    tokens = {"wrong": "0" * 64, "none": None, "own": (home / TOKEN).read_text()}
    started = {}
    for name, token in tokens.items():
        told = {"RAY_AUTH_TOKEN": token} if token else {"RAY_AUTH_MODE": "disabled"}
        started[name] = subprocess.Popen(
            [sys.executable, "-c", CLIENT, address],
            env={**os.environ, **told}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    return {name: client.communicate()[0] for name, client in started.items()}

def sockets():
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        try:
            name = process.name()
            for each in process.net_connections("inet"):
                peer = each.raddr.ip if each.raddr else None
                yield [name, each.status, each.laddr.ip if each.laddr else None, peer]
        except psutil.NoSuchProcess:
            pass

if __name__ == "__main__":
    with running_ray(Resources(cpus=1, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=1), Path("sweep")) as home:
        told = ray.get(ray.remote(Asked).remote().environment.remote())
        seen, end = set(), time.monotonic() + 4
        while time.monotonic() < end:
            seen |= {tuple(each) for each in sockets()}
            time.sleep(0.1)
        found = {"always": always, "actor": told, "sockets": sorted(seen, key=str), "clients": clients(home)}
        found["token"] = oct((home / TOKEN).stat().st_mode & 0o777)
    print(json.dumps({**found, "left": home.exists(), "at home": os.listdir(Path.home())}))
'''


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("private")
    script = folder / "look.py"
    script.write_text(_LOOK)
    words = [sys.executable, str(script)]
    home = folder / "home"
    home.mkdir()
    told = {**environment(), "HOME": str(home)}
    done = subprocess.run(words, env=told, cwd=folder, capture_output=True, text=True, timeout=500, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_what_must_stand_always_stands_in_every_actor(looked: dict[str, Any]) -> None:
    assert {"MLFLOW_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED"} <= looked["always"].keys()
    assert {name: looked["actor"].get(name) for name in looked["always"]} == looked["always"]


def test_ray_listens_on_loopback_only(looked: dict[str, Any]) -> None:
    listening = [(name, here) for name, status, here, _ in looked["sockets"] if status == "LISTEN"]
    assert {"gcs_server", "raylet"} <= {name for name, _ in listening}
    assert [each for each in listening if not is_loopback(each[1])] == []


def test_ray_talks_to_this_machine_only(looked: dict[str, Any]) -> None:
    peers = [(name, status, peer) for name, status, _, peer in looked["sockets"] if peer is not None]
    assert any(status == "ESTABLISHED" for _, status, _ in peers)
    assert [each for each in peers if not is_loopback(each[2])] == []


@pytest.mark.parametrize("token", ["wrong", "none"])
def test_without_its_token_nobody_on_this_machine_gets_in(looked: dict[str, Any], token: str) -> None:
    said = looked["clients"][token]
    assert "InvalidAuthToken" in said
    assert "in:" not in said


def test_with_its_token_a_client_gets_in_and_workers_work(looked: dict[str, Any]) -> None:
    assert int(looked["clients"]["own"].splitlines()[-1].removeprefix("in: ")) > 0
    assert looked["actor"]["RAY_AUTH_MODE"] == "token"


def test_the_token_is_its_users_alone_and_goes_with_the_sweep(looked: dict[str, Any]) -> None:
    assert looked["token"] == "0o600"
    assert looked["left"] is False
    # Ray's own way keeps one for good in the home folder.
    assert looked["at home"] == []
