"""When each epoch of a training was reported, and what the machine did until then: kept, so that it is told once."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Moment(NamedTuple):
    """One report: its time, and `system/…`."""

    at: float
    machine: Mapping[str, float]


class Moments:
    """Gives each epoch's moment: of one that a training tells again when it is taken up, that of the first time."""

    def __init__(self, path: Path) -> None:
        """Read what is there; a line that a kill cut off is left out."""
        self._path = path
        self._known: dict[int, Moment] = {}
        with suppress(FileNotFoundError):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    told = json.loads(line)
                    self._known[int(told["epoch"])] = Moment(float(told["time"]), dict(told["machine"]))

    def of(self, epoch: int, machine: Callable[[], Mapping[str, float]]) -> Moment:
        """Give the moment of an epoch.

        Args:
            epoch: from 1.
            machine: asked for an epoch that is not known yet.
        """
        if epoch not in self._known:
            moment = self._known[epoch] = Moment(time.time(), machine())
            line = json.dumps({"epoch": epoch, "time": moment.at, "machine": dict(moment.machine)})
            with self._path.open("a", encoding="utf-8") as file:
                # After a line that was cut off a new one begins.
                file.write(f"{line}\n" if file.tell() == 0 else f"\n{line}\n")
        return self._known[epoch]
