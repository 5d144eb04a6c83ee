import fnmatch
import re
import socket

import pytest

from twinverify.errors import UserError
from twinverify.tracking.host import LOOPBACK, find_host


@pytest.mark.parametrize("given", ["127.0.0.1", "localhost", "LocalHost"])
def test_loopback_needs_no_password(given: str) -> None:
    host = find_host(given)
    assert (host.address, host.needs_password) == (LOOPBACK, False)


def test_every_other_address_needs_one_and_is_opened_by_the_name_given() -> None:
    host = find_host("127.0.0.2")
    assert host.needs_password
    assert host.opened_at(5000) == "http://127.0.0.2:5000"
    assert host.headers(5000) == ["127.0.0.2:5000"]
    assert host.headers(80) == ["127.0.0.2:80", "127.0.0.2"]


def test_a_name_is_opened_by_itself_and_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, 1, 6, "", ("2001:db8::1", 0)), (socket.AF_INET, 1, 6, "", ("127.0.1.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    host = find_host("MyBox")
    assert (host.name, host.address) == ("mybox", "127.0.1.1")
    assert host.headers(5000) == ["127.0.1.1:5000", "mybox:5000"]


@pytest.mark.parametrize("header", ["127.0.0.1:5000", "localhost:8080", "localhost", "[::1]:5000"])
def test_loopback_answers_to_its_own_names_at_any_port(header: str) -> None:
    assert allowed(header)


@pytest.mark.parametrize("header", ["10.example.com", "192.168.0.1.example.com:1", "example.com", "localhost.evil:1"])
def test_loopback_answers_to_no_other_name(header: str) -> None:
    assert not allowed(header)


def allowed(header: str) -> bool:
    """Decide as MLflow does."""
    patterns = find_host(LOOPBACK).headers(5000)
    return any(fnmatch.fnmatch(header, each) if "*" in each else header == each for each in patterns)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("0.0.0.0", "would answer on every network"),
        ("::", "would answer on every network"),
        ("203.0.113.7", "not an address or name of this machine"),
        ("2001:db8::7", "not an address or name of this machine"),
        ("my box", "neither an address nor a name"),
        ("127.0.0.1:5000", "neither an address nor a name"),
        ("http://127.0.0.1", "neither an address nor a name"),
        ("-x", "neither an address nor a name"),
        ("", "neither an address nor a name"),
    ],
)
def test_what_is_no_address_of_this_machine_is_refused(given: str, wrong: str) -> None:
    with pytest.raises(UserError, match=f"host={re.escape(given)}: {wrong}"):
        find_host(given)


def test_a_name_that_leads_nowhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    with pytest.raises(UserError, match="host=nowhere: there is no machine of that name"):
        find_host("nowhere")
