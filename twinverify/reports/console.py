"""The console of a long job, which goes on when nobody looks any more."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.segment import Segment

from twinverify.streams import to_nowhere, visible

#: Off a terminal: a leaderboard's columns side by side, whoever reads it.
_WIDTH = 140


class LastingConsole(Console):
    """A console whose reader may go away (`tune … | head`, a closed terminal): what it would show is dropped.

    Texts mean nothing to it: neither what rich takes for markup, nor what a terminal takes for a command.
    """

    def _check_buffer(self) -> None:
        # Not only a broken pipe, which rich would end the process for: a terminal that is gone gives EIO.
        try:
            super()._check_buffer()
        except OSError:
            self.quiet = True
            super()._check_buffer()
            to_nowhere(self.file)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        # The last place where texts and rich's own commands are told apart.
        return super()._render_buffer(
            each if each.control else each._replace(text=visible(each.text)) for each in buffer
        )

    def on_broken_pipe(self) -> None:
        """Go on; rich would exit with status 1."""
        raise BrokenPipeError


def open_console() -> LastingConsole:
    """Give the console on standard output, as wide as its terminal."""
    return LastingConsole(width=None if sys.stdout.isatty() else _WIDTH, markup=False, emoji=False)


@contextmanager
def counted_bar(console: Console, what: str = "") -> Iterator[Callable[..., None]]:
    """Show on a terminal how far a job is; off one, nothing.

    Args:
        console: where.
        what: the job in words.

    Yields:
        What is told how much is done, how much there is, and maybe the words anew.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(what, total=None)

        def told(done: int, total: int, words: str = what) -> None:
            bars.update(task, description=words, completed=done, total=total)

        yield told
