"""Whether a server is there, and that it stays within reach."""

import socket
from urllib.request import getproxies, proxy_bypass

import pytest
import requests

from twinverify.errors import UserError
from twinverify.tracking.address import resolve_tracking
from twinverify.tracking.health import keep_reachable, server_trouble


@pytest.fixture
def nobody() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_proxy_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        # Set first, so that what the test sets is taken back too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_a_server_that_is_away_is_told_in_a_few_words(nobody: str) -> None:
    assert server_trouble(nobody) == "no server answers (Connection refused)"


@pytest.mark.parametrize("address", ["file:///somewhere/else", "sqlite:////somewhere/else.db"])
def test_other_stores_are_not_asked(address: str) -> None:
    assert server_trouble(address) is None


def test_an_address_is_good_without_its_server_if_so_said(nobody: str) -> None:
    assert resolve_tracking(f"{nobody}/", must_answer=False) == nobody
    with pytest.raises(UserError, match="no server answers"):
        resolve_tracking(nobody)


@pytest.mark.parametrize("address", ["http://", "http://host:port", "ftp://host"])
def test_a_malformed_address_is_refused_in_any_case(address: str) -> None:
    with pytest.raises(UserError):
        resolve_tracking(address, must_answer=False)


def asked_directly(address: str) -> bool:
    """Tell whether MLflow's client, which is built on requests, would ask no proxy."""
    return not requests.utils.get_environ_proxies(address)


@pytest.mark.parametrize("before", ["", "elsewhere,other"])
def test_a_server_that_is_asked_directly_stays_so_when_a_proxy_comes(
    monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    if before:
        monkeypatch.setenv("NO_PROXY", before)
    keep_reachable("http://tracking.example:5000/sub")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert asked_directly("http://tracking.example:5000/sub")
    assert not asked_directly("http://another.example:5000")
    assert all(proxy_bypass(host) for host in before.split(",") if host)


def test_a_server_behind_a_proxy_stays_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    keep_reachable("http://tracking.example:5000")
    assert not asked_directly("http://tracking.example:5000")
    assert getproxies()["http"] == "http://proxy.example:3128"


def test_this_machine_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    keep_reachable("http://127.0.0.1:5000")
    assert asked_directly("http://127.0.0.1:5000")
