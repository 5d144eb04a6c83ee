"""What is read from a trace: lines as strace 6.1 wrote them here."""

from collections import Counter

import pytest

from twinverify.silence.calls import Call
from twinverify.silence.trace import read_trace

LOOPBACK = (
    '17552<gcs_server> connect(55, {sa_family=AF_INET, sin_port=htons(46553), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
)
MAPPED = (
    "17552<gcs_server> connect(55, {sa_family=AF_INET6, sin6_port=htons(46553), sin6_flowinfo=htonl(0),"
    ' inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr), sin6_scope_id=0}, 28 <unfinished ...>'
)
EVERYBODY = (
    "9<python> bind(7, {sa_family=AF_INET6, sin6_port=htons(0), sin6_flowinfo=htonl(0),"
    ' inet_pton(AF_INET6, "::", &sin6_addr), sin6_scope_id=0}, 28) = 0'
)
DATAGRAM = (
    '9<ray::IDLE> sendto(3, ""..., 30, MSG_NOSIGNAL, {sa_family=AF_INET, sin_port=htons(53),'
    ' sin_addr=inet_addr("10.0.0.1")}, 16) = 30'
)
TWO = (
    '9<python> sendmmsg(3, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")},'
    ' msg_namelen=16, msg_iov=[{iov_base=""..., iov_len=30}]}}, {msg_hdr={msg_name={sa_family=AF_INET,'
    ' sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, msg_namelen=16}}], 2, MSG_NOSIGNAL) = 2'
)
SOCKET = '9<raylet> connect(6, {sa_family=AF_UNIX, sun_path="/tmp/a/plasma_store"}, 110) = 0'
ABSTRACT = '9<chrome> bind(6, {sa_family=AF_UNIX, sun_path=@"name"}, 8) = 0'
DECEIVING = (
    '9<x> connect(6, {sa_family=AF_UNIX, sun_path="/tmp/inet_addr(\\"8.8.8.8\\"), sin_port=htons(1)"}, 110) = -1 ENOENT'
)
KERNEL = "9<python> bind(6, {sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, 12) = 0"
RAW = "9<x> bind(3, {sa_family=AF_PACKET, sll_protocol=htons(0x3), sll_ifindex=2}, 20) = 0"
UNREADABLE = "9<x> connect(3, 0x7ffd1, 16) = -1 EFAULT (Bad address)"


@pytest.mark.parametrize(
    ("line", "call", "stays"),
    [
        (LOOPBACK, Call("gcs_server", "connect", "internet", "127.0.0.1", 46553), True),
        (MAPPED, Call("gcs_server", "connect", "internet", "::ffff:127.0.0.1", 46553), True),
        (EVERYBODY, Call("python", "bind", "internet", "::", 0), False),
        (DATAGRAM, Call("ray::IDLE", "sendto", "internet", "10.0.0.1", 53), False),
        (DATAGRAM.replace("10.0.0.1", "127.0.0.53"), Call("ray::IDLE", "sendto", "internet", "127.0.0.53", 53), False),
        (SOCKET, Call("raylet", "connect", "unix", "/tmp/a/plasma_store"), True),
        (ABSTRACT, Call("chrome", "bind", "unix", "@name"), True),
        (DECEIVING, Call("x", "connect", "unix", '/tmp/inet_addr(\\"8.8.8.8\\"), sin_port=htons(1)'), True),
        (KERNEL, Call("python", "bind", "other", "AF_NETLINK"), True),
        (RAW, Call("x", "bind", "other", "AF_PACKET"), False),
        (UNREADABLE, Call("x", "connect", "other", "an address that cannot be read"), False),
        (
            LOOPBACK.replace("127.0.0.1", "192.168.1.7"),
            Call("gcs_server", "connect", "internet", "192.168.1.7", 46553),
            False,
        ),
        (LOOPBACK.replace("<gcs_server>", ""), Call("?", "connect", "internet", "127.0.0.1", 46553), True),
    ],
)
def test_a_call_is_read_and_judged(line: str, call: Call, stays: bool) -> None:
    assert read_trace([line]) == Counter([call])
    assert call.stays is stays


def test_each_address_of_a_call_counts_and_the_same_calls_are_counted_together() -> None:
    found = read_trace([TWO, TWO, LOOPBACK])
    assert {call.address: times for call, times in found.items()} == {"10.0.0.1": 2, "10.0.0.2": 2, "127.0.0.1": 1}
    assert sum(times for call, times in found.items() if call.asks_a_name) == 4


@pytest.mark.parametrize(
    "line",
    [
        '9<python> sendto(3, ""..., 30, MSG_NOSIGNAL, NULL, 0) = 30',
        '9<python> sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=""..., iov_len=9}]}, 0) = 9',
        "9<python> <... connect resumed>) = 0",
        "9<python> +++ exited with 0 +++",
        "9<python> --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=12, si_uid=0} ---",
        "",
    ],
)
def test_what_has_no_address_is_no_call(line: str) -> None:
    assert not read_trace([line])
