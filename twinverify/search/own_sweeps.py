"""The sweeps of a folder by the id that their runs bear: each looks after its own runs."""

from dataclasses import dataclass
from pathlib import Path

from twinverify.errors import UserError
from twinverify.search.past import runner
from twinverify.search.stored import is_sweep, read_sweep, sweeps_in


@dataclass(frozen=True)
class OwnSweep:
    """A sweep whose journal looks after its runs.

    Attributes:
        name: of the sweep, or of the one that it confirms.
        again: the command that goes on with it, and brings its runs up to date.
        process: who runs it now, in words; None where nobody does.
    """

    name: str
    again: str
    process: str | None


def own_sweeps(output: Path) -> dict[str, OwnSweep]:
    """Give the sweeps of a folder by id, those that confirm others among them."""
    found: dict[str, OwnSweep] = {}
    for name in sweeps_in(output):
        folders = {output / name: f"tune resume={name}", output / name / "confirm": f"confirm {name}"}
        for folder, again in folders.items():
            try:
                if is_sweep(folder):
                    own = OwnSweep(name, f"python -m twinverify.{again}", runner(folder))
                    found[read_sweep(folder).sweep_id] = own
            except UserError:  # damaged: it is told when it is resumed
                continue
    return found
