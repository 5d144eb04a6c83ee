"""Ray serves this machine alone: what it is told reaches its workers, and no process of it meets the network."""

import ipaddress
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import SMALL

#: Starts Ray as a sweep does, and prints what an actor finds in its environment and all sockets seen for 4 s.
_LOOK = """
import json, os, time
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
from twinverify.search.ray_server import running_ray
from twinverify.search.resources import Resources

class Asked:
    def environment(self):
        return dict(os.environ)

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
    with running_ray(Resources(cpus=1, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=1), Path("sweep")):
        told = ray.get(ray.remote(Asked).remote().environment.remote())
        seen, end = set(), time.monotonic() + 4
        while time.monotonic() < end:
            seen |= {tuple(each) for each in sockets()}
            time.sleep(0.1)
    print(json.dumps({"always": always, "actor": told, "sockets": sorted(seen, key=str)}))
"""


def a_users_environment() -> dict[str, str]:
    """Give the environment without what silences libraries in tests."""
    hidden = ("CI", "PYTEST", "MLFLOW", "RAY", "TUNE", "DO_NOT_TRACK", "HF_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("private")
    script = folder / "look.py"
    script.write_text(_LOOK)
    words = [sys.executable, str(script)]
    done = subprocess.run(
        words, env=a_users_environment(), cwd=folder, capture_output=True, text=True, timeout=120, check=True
    )
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


def may_trace() -> bool:
    """Say whether strace is here and allowed to watch a process."""
    words = ["strace", "-f", "-qq", "-e", "trace=connect", "true"]
    return bool(shutil.which("strace")) and subprocess.run(words, capture_output=True, timeout=30).returncode == 0


def internet_addresses(trace: str) -> list[tuple[str, str]]:
    """Give the calls with an internet address, each as (address, line)."""
    found = re.compile(r'inet_(?:addr\(|pton\(AF_INET6?, )"([^"]+)"')
    return [(address, line) for line in trace.splitlines() for address in found.findall(line)]


@pytest.mark.skipif(not may_trace(), reason="strace is not here, or may not watch processes")
def test_a_whole_sweep_binds_and_calls_no_address_but_loopback(tmp_path: Path) -> None:
    calls = tmp_path / "calls.txt"
    strace = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect,bind,sendto,sendmsg", "-o", str(calls))
    sweep = ("space=glca_heads", "config=tiny", "trials=1", "epochs=1", "output=runs", "tracking=store", *SMALL)
    words = [*strace, sys.executable, "-m", "twinverify.tune", *sweep]
    done = subprocess.run(words, env=a_users_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = internet_addresses(calls.read_text(errors="replace"))
    assert found, "nothing seen: Ray's processes talk over loopback at least"
    assert [line for address, line in found if not is_loopback(address)] == []
