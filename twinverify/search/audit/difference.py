"""What an audit finds: one difference between what stands somewhere and what the journal says should."""

from dataclasses import dataclass
from typing import Literal

Place = Literal["journal", "files", "MLflow"]
#: Missing; there more often than once; there though nothing asked for it; there, but with another content.
Kind = Literal["lost", "repeated", "orphaned", "altered"]


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be.

    Attributes:
        place: where it was found.
        kind: in which way it differs, for those who count.
        what: the thing: a line of the journal, a file, a run, a metric of a run.
        expected: what should stand there.
        found: what does.
        trial: the number of the trial that it belongs to; None where it is the sweep's.
    """

    place: Place
    kind: Kind
    what: str
    expected: str
    found: str
    trial: int | None = None

    def __str__(self) -> str:
        """Write it for people, on one line whatever is in a damaged file."""
        line = f"{self.place}: {self.what}: expected {self.expected}, found {self.found}"
        return line if line.isprintable() else ascii(line)[1:-1]
