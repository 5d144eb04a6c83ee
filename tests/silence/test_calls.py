"""Which calls stay on this machine, and how they are told."""

import pytest

from twinverify.silence.calls import Call, is_loopback


@pytest.mark.parametrize(
    ("address", "own"),
    [
        *[(each, True) for each in ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", "::1%lo")],
        *[(each, False) for each in ("0.0.0.0", "::", "10.0.0.1", "169.254.169.254", "::ffff:8.8.8.8", "fe80::1%eth0")],
        *[(each, False) for each in ("localhost", "")],
    ],
)
def test_loopback_is_known_by_its_address(address: str, own: bool) -> None:
    assert is_loopback(address) is own


@pytest.mark.parametrize("port", [53, 853, 5353])
def test_a_name_server_on_loopback_asks_others(port: int) -> None:
    call = Call("python", "connect", "internet", "127.0.0.1", port)
    assert call.asks_a_name
    assert not call.stays
    assert call.where == f"127.0.0.1 port {port}"


def test_systemds_resolver_is_one_too_but_glibcs_cache_of_users_is_not() -> None:
    asked = Call("python", "connect", "unix", "/run/systemd/resolve/io.systemd.Resolve")
    assert asked.asks_a_name
    assert not asked.stays
    assert Call("python", "connect", "unix", "/var/run/nscd/socket").stays


def test_serving_on_such_a_port_asks_nobody() -> None:
    assert Call("python", "bind", "internet", "127.0.0.1", 5353).stays


@pytest.mark.parametrize(
    ("call", "where"),
    [
        (Call("raylet", "bind", "internet", "127.0.0.1", 40123), "127.0.0.1"),
        (Call("raylet", "bind", "unix", "/tmp/twinverify-1234/ray/sockets/raylet"), "socket …/raylet"),
        (Call("raylet", "bind", "unix", "@name"), "socket @name"),
        (Call("python", "bind", "other", "AF_NETLINK"), "the kernel"),
        (Call("python", "connect", "internet", "8.8.8.8", 443), "8.8.8.8 port 443"),
    ],
)
def test_what_only_chance_makes_different_is_told_alike(call: Call, where: str) -> None:
    assert call.where == where
