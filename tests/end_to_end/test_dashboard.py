"""Ray's dashboard, when it is asked for: on loopback, behind the sweep's token, gone with it.

It needs Ray's own packages for it (`pip install "ray[default]"`), which a sweep does without.
"""

import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import psutil
import pytest
from browser import chromium
from command_line import SMALL, kill_tree, start
from ray._private.utils import get_dashboard_dependency_error

from twinverify.silence.calls import is_loopback

pytestmark = pytest.mark.skipif(
    get_dashboard_dependency_error() is not None, reason='not installed: pip install "ray[default]"'
)


@dataclass(frozen=True)
class Dashboard:
    """What a sweep told of its dashboard, and what was there while it ran."""

    address: str
    token: str
    status: dict[str, int]
    listening: set[str]
    asked: set[str | None]
    shown: str


def answered(address: str, token: str | None) -> int:
    """Give the status with which the nodes of the cluster are told."""
    request = Request(f"{address}/nodes?view=summary", headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            return int(answer.status)
    except HTTPError as refused:
        return refused.code


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    root = tmp_path_factory.mktemp("dashboard")
    words = ("tune", "space=glca_heads", "config=tiny", "trials=50", "epochs=50", "output=runs", "tracking=off", *SMALL)
    process = start(*words, "dashboard=true", cwd=root)
    try:
        assert process.stdout
        line = next(line for line in process.stdout if line.startswith("Ray's dashboard: "))
        address, place = re.fullmatch(r"Ray's dashboard: (\S+) \(it asks for the token in (.+)\)\n", line).groups()
        token = Path(place).read_text()
        tokens = {"none": None, "wrong": "0" * 64, "own": token}
        status = {name: answered(address, each) for name, each in tokens.items()}
        tree = psutil.Process(process.pid).children(recursive=True)
        sockets = [each for member in tree if member.is_running() for each in member.net_connections("inet")]
        listening = {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN}
        asked: set[str | None] = set()
        with chromium() as browser:
            page = browser.new_page()
            page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
            page.goto(address)
            page.get_by_placeholder("Enter your authentication token").fill(token, timeout=120_000)
            # It loads itself anew then, which another address in between would disturb.
            with page.expect_navigation(timeout=120_000):
                page.get_by_role("button", name="Submit").click()
            page.goto(f"{address}/#/cluster")
            page.get_by_text("127.0.0.1").first.wait_for(timeout=120_000)
            shown = page.locator("body").inner_text()
        yield Dashboard(address, token, status, listening, asked, shown)
    finally:
        kill_tree(process)
    end = time.monotonic() + 60
    while Path(place).exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert not Path(place).exists()
    with socket.socket() as knocking:
        assert knocking.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) != 0


def test_who_has_not_the_token_sees_nothing(dashboard: Dashboard) -> None:
    assert dashboard.status == {"none": 401, "wrong": 403, "own": 200}


def test_it_and_its_agents_listen_on_loopback_only(dashboard: Dashboard) -> None:
    assert urlsplit(dashboard.address).hostname == "127.0.0.1"
    assert dashboard.listening
    assert {address for address in dashboard.listening if not is_loopback(address)} == set()


def test_its_page_shows_the_node_and_asks_nobody_else(dashboard: Dashboard) -> None:
    assert "127.0.0.1" in dashboard.shown
    assert {host for host in dashboard.asked if host is not None} == {"127.0.0.1"}
