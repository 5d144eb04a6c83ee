"""The console of a long job, which goes on when nobody looks any more."""

import sys

from rich.console import Console

from twinverify.streams import to_nowhere

#: Off a terminal: a leaderboard's columns side by side, whoever reads it.
_WIDTH = 140


class LastingConsole(Console):
    """A console whose reader may go away (`tune … | head`, a closed terminal): what it would show is dropped."""

    def _check_buffer(self) -> None:
        # Not only a broken pipe, which rich would end the process for: a terminal that is gone gives EIO.
        try:
            super()._check_buffer()
        except OSError:
            self.quiet = True
            super()._check_buffer()
            to_nowhere(self.file)

    def on_broken_pipe(self) -> None:
        """Go on; rich would exit with status 1."""
        raise BrokenPipeError


def open_console() -> LastingConsole:
    """Give the console on standard output, as wide as its terminal."""
    return LastingConsole() if sys.stdout.isatty() else LastingConsole(width=_WIDTH)
