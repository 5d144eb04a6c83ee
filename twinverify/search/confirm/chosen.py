"""Which configurations of a sweep are confirmed, with which seeds."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from shlex import quote
from typing import Any

import numpy as np

from twinverify.errors import UserError
from twinverify.places import output_folder
from twinverify.search.past import PastSweep
from twinverify.search.record import Trial

#: Seeds are below it: they are written into configurations that people read.
_SEEDS_BELOW = 1_000_000_000


@dataclass(frozen=True)
class Chosen:
    """A configuration to train again.

    Attributes:
        trial: its number in the sweep; 0 is the default.
        values: what the sweep drew for it.
    """

    trial: int
    values: Mapping[str, Any]


def choose(past: PastSweep, top: int) -> tuple[Chosen, ...]:
    """Give the default and the best `top` other configurations of a sweep, each once.

    Raises:
        UserError: no trial but failed ones has ended; or the default alone, so that there is nothing to choose from.
    """
    default = past.state.trials[0] if past.state.trials else None
    ended = [each.trial for each in past.state.ranked() if each.trial.state in ("completed", "pruned")]
    if default is None or not ended:
        raise UserError(f"sweep {past.name}: none of its {len(past.state.trials)} trials {_why(past)}")
    different: dict[str, Trial] = {}
    for trial in ended:
        different.setdefault(_key(trial.values), trial)
    different.pop(_key(default.values), None)
    if not different:
        raise UserError(
            f"sweep {past.name}: only the default configuration has a result, so there is nothing to confirm;"
            f" python -m twinverify.tune resume={past.name}{_where(past)} trials={len(past.state.trials) + 11} goes on"
        )
    return tuple(Chosen(trial.number, trial.values) for trial in (default, *islice(different.values(), top)))


def _where(past: PastSweep) -> str:
    place = past.folder.parent
    return "" if place == output_folder(None) else f" output={quote(str(place))}"


def fresh_seeds(sweep_id: str, used: int, count: int) -> tuple[int, ...]:
    """Give seeds that follow from the sweep's id, none of them the sweep's own, no two alike.

    More seeds begin with the fewer ones.
    """
    rng = np.random.default_rng(list(hashlib.sha256(f"confirm {sweep_id}".encode()).digest()))
    seeds: dict[int, None] = {}
    while len(seeds) < count:
        seed = int(rng.integers(1, _SEEDS_BELOW))
        if seed != used:
            seeds[seed] = None
    return tuple(seeds)


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _why(past: PastSweep) -> str:
    failed = [trial for trial in past.state.trials if trial.state == "failed"]
    if failed and len(failed) == len(past.state.trials):
        return f"has a result: all failed, the first: {failed[0].cause}"
    return "has ended yet; confirm it once some have"
