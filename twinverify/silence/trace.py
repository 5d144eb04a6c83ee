"""Reads what `strace` writes of calls with an address."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from twinverify.silence.calls import Call

#: Whatever else sends does so through one that `connect` has given an address.
CALLS: Final = ("connect", "bind", "sendto", "sendmsg", "sendmmsg")
#: Follow every process and thread (-f), name it (-Y), write no byte of what is sent (-s 0); only these calls stop a
#: process (--seccomp-bpf).
SWITCHES: Final = ("-f", "-Y", "-qq", "-s", "0", "--seccomp-bpf", "-e", f"trace={','.join(CALLS)}")

#: `123<name> call(…`, also where another process's line comes between (`<unfinished ...>`): the arguments stand there.
_LINE: Final = re.compile(rf"\d+(?:<(?P<process>.*?)>)?\s+(?P<call>{'|'.join(CALLS)})\((?P<arguments>.*)")
#: A path is as its owner likes it, so it is taken out before anything else is looked for.
_PATH: Final = re.compile(r'sun_path=(@?)"((?:[^"\\]|\\.)*)"')
_ADDRESS: Final = re.compile(r'inet_addr\("([^"]*)"\)|inet_pton\(AF_INET6, "([^"]*)"')
_PORT: Final = re.compile(r"sin6?_port=htons\((\d+)\)")


def read_trace(lines: Iterable[str]) -> Counter[Call]:
    """Count the calls of a trace by process, address and port; calls on what is connected already have no address."""
    return Counter(call for line in lines for call in _calls(line))


def _calls(line: str) -> Iterator[Call]:
    found = _LINE.match(line)
    if found is None:
        return
    process, does, arguments = found["process"] or "?", found["call"], found["arguments"]
    families = arguments.split("sa_family=")[1:]
    # Both have an address always: one that strace could not read is none that may pass.
    if not families and does in ("connect", "bind"):
        yield Call(process, does, "other", "an address that cannot be read")
    for told in families:
        yield _call(process, does, told)


def _call(process: str, does: str, told: str) -> Call:
    kind = re.split(r"\W", told, maxsplit=1)[0]
    path = _PATH.search(told)
    if kind == "AF_UNIX":
        return Call(process, does, "unix", path[1] + path[2] if path else "@")
    address, port = _ADDRESS.search(told), _PORT.search(told)
    if kind in ("AF_INET", "AF_INET6") and address and port:
        return Call(process, does, "internet", address[1] or address[2] or "", int(port[1]))
    return Call(process, does, "other", kind)
