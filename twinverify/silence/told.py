"""What the check has seen, for people: a table, how it was watched, and the verdict."""

from collections import Counter
from typing import Final

from rich.table import Table
from rich.text import Text

from twinverify.errors import counted
from twinverify.silence.check import Seen

_BY_STRACE: Final = (
    "Watched by strace: every connect, bind and send of every process and thread, those that failed as well."
)
_BY_LOOKING: Final = (
    "Watched by looking at the sockets of all processes five times a second, since strace is not here or may not watch"
    " (Debian: apt-get install strace). Seen: what listens, and connections that last. Not seen: calls that fail or are"
    " over sooner, and datagrams on the way, such as a DNS look-up."
)


def calls_table(seen: Seen) -> Table:
    """Lay out every address bound or called, with who did and how often; what left this machine first."""
    rows: Counter[tuple[bool, str, str, str]] = Counter()
    for calls in seen.calls.values():
        for call, times in calls.items():
            rows[call.stays, call.process, call.does, call.where] += times
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("process", "call", "address"):
        table.add_column(column)
    table.add_column("times", justify="right")
    for (stays, *told), times in sorted(rows.items()):
        # A process calls itself what it likes: no markup.
        table.add_row(*map(Text, told), str(times), style="" if stays else "bold red")
    return table


def watch_line(seen: Seen) -> str:
    """Say how it was watched, and what that cannot see."""
    return _BY_STRACE if seen.by_strace else _BY_LOOKING


def verdict_line(seen: Seen) -> str:
    """Say whether anything left this machine, and what; names that were asked for are counted."""
    every = [(call, times) for calls in seen.calls.values() for call, times in calls.items()]
    names = sum(times for call, times in every if call.asks_a_name)
    if not seen.left:
        return (
            f"Nothing left this machine: {counted(sum(times for _, times in every), 'call')}, all to loopback, Unix"
            " sockets and the kernel; no DNS look-up."
        )
    told = dict.fromkeys(f"{call.process} {call.does} {call.where} ({command})" for command, call in seen.left)
    return f"NOT ONLY THIS MACHINE ({counted(names, 'DNS look-up')}): {'; '.join(told)}"
