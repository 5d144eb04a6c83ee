"""What a confirmation found: each configuration's values by seed, and which one is the best."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from twinverify.durable import told_if_disk_fails, write_text
from twinverify.errors import UserError
from twinverify.search.confirm.plan import Confirmation
from twinverify.search.confirm.register import now
from twinverify.search.state import SweepState
from twinverify.verification.intervals import Interval
from twinverify.verification.selection import Selection, complete, select

RESULT_FILE: Final = "confirmed.yaml"


class NothingToCompareError(UserError):
    """Too many trainings failed."""


@dataclass(frozen=True)
class Confirmed:
    """The result of a confirmation.

    Attributes:
        confirmation: what was trained.
        objective: the metric.
        values: of each chosen configuration, with each seed: the best epoch's value; None where the training failed.
        places: the configurations that have all their values: those that were judged, the default first.
        selection: of these.
    """

    confirmation: Confirmation
    objective: str
    values: tuple[tuple[float | None, ...], ...]
    places: tuple[int, ...]
    selection: Selection

    @property
    def winner(self) -> int:
        """Which of the chosen configurations has the best mean."""
        return self.places[self.selection.best]


def judge(confirmation: Confirmation, state: SweepState) -> Confirmed:
    """Give the result of a confirmation whose trainings have all ended.

    Raises:
        NothingToCompareError: no configuration, or not the default, was trained with every seed.
    """
    values = [
        [_value(state, confirmation.number(place, seed)) for seed in range(len(confirmation.seeds))]
        for place in range(len(confirmation.chosen))
    ]
    places = complete(list(zip(*values, strict=True)))
    if 0 not in places or len(places) < 2:
        failed = next(trial for trial in state.trials if trial.state == "failed")
        what = "the default configuration" if 0 not in places else "each configuration but the default"
        raise NothingToCompareError(
            f"confirmation of {confirmation.of.name}: {what} failed with at least one seed (training {failed.number}:"
            f" {failed.cause}), so there is nothing to compare; see {confirmation.plan.folder}"
        )
    paired = np.array([values[place] for place in places], np.float64).T  # (seeds, configurations)
    selection = select(state.objective, paired, overlap(confirmation))
    return Confirmed(confirmation, state.objective, tuple(map(tuple, values)), tuple(places), selection)


def overlap(confirmation: Confirmation) -> float:
    """Give the validation families / the training families."""
    split = confirmation.plan.split
    return len(set(split.validation.families.values())) / len(set(split.train.families.values()))


def write_result(confirmed: Confirmed) -> Path:
    """Write `confirmed.yaml`.

    Raises:
        UserError: the disk is full.
    """
    path = confirmed.confirmation.plan.folder / RESULT_FILE
    with told_if_disk_fails(path):
        write_text(path, yaml.safe_dump(as_tree(confirmed), sort_keys=False, width=120))
    return path


def as_tree(confirmed: Confirmed) -> dict[str, Any]:
    """Give the result as plain values."""
    confirmation, selection = confirmed.confirmation, confirmed.selection
    return {
        "format": 1,
        "date": now(),
        "sweep": confirmation.of.name,
        "objective": confirmed.objective,
        "seeds": list(confirmation.seeds),
        "winner": confirmation.chosen[confirmed.winner].trial,
        "expected_loss": selection.expected_loss,
        "variance": {
            "method": "corrected resampled variance (Nadeau and Bengio 2003), paired over seeds, pooled",
            "validation_families_by_training_families": overlap(confirmation),
        },
        "configurations": [_configuration(confirmed, place) for place in range(len(confirmation.chosen))],
    }


def _configuration(confirmed: Confirmed, place: int) -> dict[str, Any]:
    chosen, selection = confirmed.confirmation.chosen[place], confirmed.selection
    found: dict[str, Any] = {
        "trial": chosen.trial,
        "is_default": chosen.trial == 0,
        "settings": dict(chosen.values),
        "values": list(confirmed.values[place]),
    }
    if place not in confirmed.places:
        return found | {"failed": sum(value is None for value in confirmed.values[place])}
    at = confirmed.places.index(place)
    return found | {
        "mean": float(selection.means[at]),
        "interval": as_list(selection.intervals[at]),
        "less_default": float(selection.gains[at]),
        "less_default_interval": as_list(selection.gain_intervals[at]),
        "chance_of_best": float(selection.chances[at]),
    }


def as_list(interval: Interval | None) -> list[float] | None:
    """Give an interval as YAML has it."""
    return None if interval is None else [float(interval.low), float(interval.high)]


def _value(state: SweepState, number: int) -> float | None:
    trial = state.trials[number]
    found = trial.best(state.objective)
    return None if found is None or trial.state == "failed" else float(found[1])
