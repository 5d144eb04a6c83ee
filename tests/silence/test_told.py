"""What the check tells: a table of every address, and a verdict that names what left."""

import io
from collections import Counter

import pytest
from rich.console import Console

from twinverify.errors import UserError
from twinverify.silence import check as checking
from twinverify.silence.calls import Call
from twinverify.silence.check import Seen
from twinverify.silence.told import calls_table, verdict_line
from twinverify.ui import main

OWN = Counter({Call("raylet", "connect", "internet", "127.0.0.1", port): 2 for port in (40000, 40001)})
HOME = Counter({Call("[python]", "connect", "internet", "8.8.8.8", 443): 1, Call("raylet", "bind", "unix", "/a/b"): 3})


def shown(seen: Seen) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=120)
    console.print(calls_table(seen))
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()[1:]]


def test_the_table_has_every_address_with_process_and_count_the_worst_first() -> None:
    assert shown(Seen(True, {"tune": OWN, "train": OWN + HOME})) == [
        ["[python]", "connect", "8.8.8.8", "port", "443", "1"],
        ["raylet", "bind", "socket", "…/b", "3"],
        ["raylet", "connect", "127.0.0.1", "8"],
    ]


def test_the_verdict_counts_what_stayed_and_names_what_did_not() -> None:
    assert verdict_line(Seen(True, {"tune": OWN})) == (
        "Nothing left this machine: 4 calls, all to loopback, Unix sockets and the kernel; no DNS look-up."
    )
    line = verdict_line(Seen(True, {"tune": OWN, "train": OWN + HOME}))
    assert line == "NOT ONLY THIS MACHINE (0 DNS look-ups): [python] connect 8.8.8.8 port 443 (train)"


@pytest.mark.parametrize(("calls", "status"), [(OWN, 0), (OWN + HOME, 1)])
def test_the_commands_exit_status_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], calls: Counter[Call], status: int
) -> None:
    monkeypatch.setattr(checking, "check", lambda *_, **__: Seen(True, {"tune": calls}))
    assert main(["check=true"]) == status
    assert capsys.readouterr().out.splitlines()[-1] == verdict_line(Seen(True, {"tune": calls}))


def test_the_check_looks_at_nothing_of_the_users() -> None:
    with pytest.raises(UserError, match=r"check=true works in a folder of its own; leave sweep, tracking out"):
        main(["check=true", "tracking=store", "sweep=mine"])
