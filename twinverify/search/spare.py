"""Which trials are let run though they would be stopped: only they can tell whether stopping was right.

Whether one is spared depends on the sweep's seed and its own number alone, so a replay spares the same.
"""

import hashlib

from twinverify.search.options import TuneOptions


class Spared:
    """The trials to be spared, as a set of their numbers."""

    def __init__(self, seed: int, share: float) -> None:
        """Spare each trial with the probability `share`, from 0 to 1."""
        self._seed, self._share = seed, share

    def __contains__(self, number: object) -> bool:
        """Say whether a trial is let run where the rungs would stop it."""
        digest = hashlib.sha256(f"spared/{self._seed}/{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big") < self._share * 2**32


def spared_by(options: TuneOptions) -> Spared:
    """Give the trials that a sweep spares."""
    return Spared(options.seed, options.spare)
