"""The console of a long job outlives whoever looks at it."""

import errno
import io
import os
from collections.abc import Iterator
from typing import IO

import pytest
from rich.live import Live
from rich.table import Table

from twinverify.reports.console import LastingConsole


@pytest.fixture
def broken() -> Iterator[IO[str]]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


class Gone(io.StringIO):
    """A terminal that was closed."""

    def write(self, _: str) -> int:
        raise OSError(errno.EIO, "Input/output error")


def test_who_reads_sees_all() -> None:
    seen = io.StringIO()
    console = LastingConsole(file=seen, width=80)
    console.print("a line")
    console.print("another")
    assert seen.getvalue() == "a line\nanother\n"


def test_a_pipe_without_a_reader_is_written_to_no_more(broken: IO[str]) -> None:
    console = LastingConsole(file=broken, width=80)
    for number in range(3):
        console.print(f"line {number}")
    assert console.quiet
    broken.write("at the end")
    broken.flush()  # would raise still, if it went to the pipe


def test_a_terminal_that_is_gone_ends_nothing() -> None:
    console = LastingConsole(file=Gone(), width=80)
    console.print("a line")
    console.print("another")


def test_a_live_table_goes_on_unseen(broken: IO[str]) -> None:
    console = LastingConsole(file=broken, width=80, force_terminal=True)
    with Live(Table("column"), console=console, auto_refresh=False) as live:
        live.refresh()
        console.print("a line above it")
    console.print("after it")
