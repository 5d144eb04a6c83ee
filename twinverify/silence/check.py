"""The proof that nothing leaves this machine, for everybody to make: the commands themselves, run and watched."""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twinverify.errors import UserError
from twinverify.silence.calls import Call
from twinverify.silence.pages import open_pages
from twinverify.silence.watch import Watch, watched

#: Of one command; a loaded machine under strace is slow.
_SECONDS: Final = 900.0
#: Few enough people and layers for a minute in all, enough families for a twin EER.
_SMALL: Final = (
    *("config=tiny", "synthetic.families=16", "synthetic.images=4", "batch.people=8"),
    *("model.width=48", "model.depth=2", "model.pwca.blocks=2", "model.image_size=32"),
)
_PLACES: Final = ("output=runs", "tracking=store")
#: Not told of a command: what makes it small and puts its files into the folder.
_QUIET: Final = frozenset(setting.partition("=")[0] for setting in (*_SMALL, *_PLACES)) - {"config"}
_SWEEP: Final = "glca_heads"
#: Knocks where nobody is (the address is for documentation; a datagram's `connect` sends nothing), and opens a port to
#: everybody for as long as a look takes.
_KNOCK: Final = """
import contextlib, socket, time
with socket.socket(type=socket.SOCK_DGRAM) as out, socket.socket(type=socket.SOCK_DGRAM) as door:
    door.bind(("0.0.0.0", 0))
    with contextlib.suppress(OSError):
        out.connect(("192.0.2.1", 9))
    time.sleep(1)
"""


@dataclass(frozen=True)
class Step:
    """A command of the check; `open_pages`: it serves the UI, whose pages are asked for, and is stopped then."""

    words: tuple[str, ...]
    open_pages: bool = False


STEPS: Final = (
    Step(("tune", f"space={_SWEEP}", "trials=2", "epochs=1", *_PLACES, *_SMALL)),
    Step(("train", f"config=runs/{_SWEEP}/best.yaml", "tracking=store")),
    Step(("compare", _SWEEP, "output=runs")),
    Step(("compare", _SWEEP, "output=runs", "report=true")),
    Step(("verify", "a.png", "b.png", f"model=runs/{_SWEEP}/best", "picture=both.png")),
    Step(("confirm", _SWEEP, "top=1", "seeds=2", "output=runs")),
    Step(("ui", f"sweep={_SWEEP}", "tracking=store"), open_pages=True),
)


@dataclass
class Seen:
    """What was seen, by command; it grows with each."""

    by_strace: bool
    calls: dict[str, Counter[Call]] = field(default_factory=dict)

    @property
    def left(self) -> list[tuple[str, Call]]:
        """The calls that did not stay on this machine, each with its command."""
        return [(command, call) for command, calls in self.calls.items() for call in calls if not call.stays]


def check(folder: Path, *, by_strace: bool, steps: Sequence[Step] = STEPS, told: Callable[[str], None]) -> Seen:
    """Run the commands one after the other in a folder, and give all that they called and bound.

    Args:
        folder: an empty one.
        by_strace: watch by strace, where that may; else by looking.
        steps: the commands.
        told: is told what is begun.

    Raises:
        UserError: a command fails, or the watch does not see what is done on purpose.
    """
    _check_watch(folder, by_strace=by_strace)
    seen = Seen(by_strace)
    for step in steps:
        name = " ".join(word for word in step.words if word.partition("=")[0] not in _QUIET)
        told(f"python -m twinverify.{name}")
        if step.words[0] == "verify":
            _take_photographs(folder)
        command = [sys.executable, "-m", f"twinverify.{step.words[0]}", *step.words[1:]]
        seen.calls[name] = _run(command, folder, by_strace, _open if step.open_pages else None)
    return seen


def knock(folder: Path, *, by_strace: bool) -> Counter[Call]:
    """Give what the watch sees of a process that calls an outside address and opens a port to everybody."""
    return _run([sys.executable, "-c", _KNOCK], folder, by_strace)


def _check_watch(folder: Path, *, by_strace: bool) -> None:
    left = {(call.does, call.address) for call in knock(folder, by_strace=by_strace) if not call.stays}
    # Where there is no way out at all, a look finds no socket that has been given one.
    if ("bind", "0.0.0.0") not in left or (by_strace and ("connect", "192.0.2.1") not in left):
        raise UserError(
            f"check=true: {'strace' if by_strace else 'the list of sockets'} does not show what a process calls here;"
            " nothing can be proved"
        )


def _run(
    command: Sequence[str], folder: Path, by_strace: bool, meanwhile: Callable[[Watch, Path], None] | None = None
) -> Counter[Call]:
    output = folder / "output.txt"
    with watched(command, folder, output, trace=by_strace) as watch:
        if meanwhile is not None:
            meanwhile(watch, output)
            watch.stop()
        try:
            status = watch.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            raise UserError(f"check=true: python {' '.join(command[1:])} takes over {_SECONDS:g} s") from None
        calls = watch.calls()
    if status != 0:
        last = (output.read_text(errors="replace").strip().splitlines() or ["nothing printed"])[-1]
        raise UserError(f"check=true: python {' '.join(command[1:])} ended with status {status}: {last}")
    return calls


def _open(watch: Watch, output: Path) -> None:
    end = time.monotonic() + _SECONDS
    while watch.running() and time.monotonic() < end:
        link = re.search(r"^http\S+$", output.read_text(errors="replace"), re.MULTILINE)
        if link:
            open_pages(link[0])
            return
        time.sleep(0.1)
    if watch.running():
        raise UserError(f"check=true: the UI has no link after {_SECONDS:g} s")


def _take_photographs(folder: Path) -> None:
    """Take two of the sweep's drawn faces for two photographs."""
    drawn = sorted((folder / "runs" / ".cache").glob("synthetic-*/*/*.png"))
    for name, path in zip(("a.png", "b.png"), drawn, strict=False):
        shutil.copy(path, folder / name)
