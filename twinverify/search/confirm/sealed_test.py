"""The sealed test of a confirmation: the winner and the default on families that nothing before has met, P1 to P5."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from twinverify.config import dump_config
from twinverify.errors import UserError
from twinverify.faces.faceset import FaceSet
from twinverify.search.confirm.models import models
from twinverify.search.confirm.plan import Confirmation
from twinverify.search.confirm.register import Asked, Opening
from twinverify.search.confirm.result import Confirmed, as_list
from twinverify.search.confirm.stored_test import StoredConfiguration, StoredFigure, StoredTest, result_path
from twinverify.search.versions import installed_versions
from twinverify.settings import Config
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.pairs import BadEmbeddingsError, PairScores
from twinverify.verification.resampling import Resampling
from twinverify.verification.sealed_figures import Accuracy, Figure, accuracy, figures, gains, model_estimates

#: Opens the test side as a configuration wants it: see `faces.sealed.open_test`.
OpenTest = Callable[[Config], AbstractContextManager[FaceSet]]
#: Hears how many of the models are scored.
Told = Callable[[int, int], None]


class NotScorableError(Exception):
    """A model gives a test image an embedding that cannot be compared: that is what the opening found."""


class Measured(NamedTuple):
    """What the models of one configuration give."""

    figures: Mapping[str, Figure]
    accuracy: Accuracy | None


@dataclass(frozen=True)
class Scored:
    """The winner and the default on the test side; of one configuration alone where the default is the winner."""

    winner: Measured
    default: Measured | None
    gains: Mapping[str, tuple[float, Any]]


def asked(confirmed: Confirmed) -> Asked:
    """Give what the register notes of an opening."""
    confirmation = confirmed.confirmation
    return Asked(
        sweep=confirmation.of.name,
        sweep_id=confirmation.of.stored.sweep_id,
        winner=configuration_digest(confirmation, confirmed.winner),
        default=configuration_digest(confirmation, 0),
        version=installed_versions().get("twinverify", "unknown"),
        result=str(result_path(confirmation)),
    )


def configuration_digest(confirmation: Confirmation, place: int) -> str:
    """Give a digest of all settings of a chosen configuration, as the sweep had it."""
    return hashlib.sha256(dump_config(confirmation.config(place)).encode()).hexdigest()[:16]


def check_models(confirmed: Confirmed) -> None:
    """Make sure that the models to be tested are all there, before anything is opened.

    Raises:
        UserError: one is not.
    """
    missing = [path for path in models(confirmed, confirmed.winner) + models(confirmed, 0) if not path.exists()]
    if missing:
        raise UserError(f"sealed test: {missing[0]} is missing ({len(missing)} in all); it has not been opened")


def score(confirmed: Confirmed, open_test: OpenTest, told: Told) -> Scored:
    """Score the models of the winner and of the default on the test side.

    Args:
        confirmed: the result of the confirmation.
        open_test: opens the test side.
        told: is called with the models scored and those in all.

    Raises:
        NotScorableError: an embedding is not finite, or zero.
        UserError: a test image cannot be read, or the disk is full; once that is mended, the opening can be finished.
    """
    places = list(dict.fromkeys([confirmed.winner, 0]))
    total = len(places) * len(confirmed.confirmation.seeds)
    kept: dict[int, list[FamilyScores]] = {}
    pairs: dict[int, list[PairScores]] = {}
    done = 0
    for place in places:
        kept[place], pairs[place] = [], []
        for scores, of_pairs in _evaluated(confirmed, place, open_test):
            kept[place].append(scores)
            pairs[place].append(of_pairs)
            done += 1
            told(done, total)
    resampling = Resampling.draw(kept[0][0])
    estimated = {place: [model_estimates(scores, resampling) for scores in kept[place]] for place in places}
    measured = {place: Measured(figures(estimated[place], resampling), accuracy(pairs[place])) for place in places}
    if confirmed.winner == 0:
        return Scored(measured[0], None, {})
    return Scored(measured[confirmed.winner], measured[0], gains(estimated[confirmed.winner], estimated[0]))


def stored_test(
    confirmed: Confirmed,
    opening: Opening,
    test: dict[str, int | str],
    scored: Scored | None,
    not_scorable: str | None = None,
) -> StoredTest:
    """Give an opening as it is written, with its result if there is one, or why there can be none."""
    seeds = list(confirmed.confirmation.seeds)
    if scored is None:
        return StoredTest(opening=opening, test=test, seeds=seeds, not_scorable=not_scorable)
    return StoredTest(
        opening=opening,
        test=test,
        seeds=seeds,
        winner=_configuration(confirmed, confirmed.winner, scored.winner),
        default=None if scored.default is None else _configuration(confirmed, 0, scored.default),
        less_default={
            name: StoredFigure(value=value, interval=_pair(interval))
            for name, (value, interval) in scored.gains.items()
        },
    )


def _evaluated(confirmed: Confirmed, place: int, open_test: OpenTest) -> "Iterator[tuple[FamilyScores, PairScores]]":
    """Give the scores of each seed's model of a configuration."""
    # torch takes seconds to import; what can refuse a confirmation needs none of it.
    from twinverify.training.checkpoint import read_model
    from twinverify.training.device import choose_hardware
    from twinverify.training.evaluate import validate

    config = confirmed.confirmation.config(place)
    hardware = choose_hardware(config.train)
    with open_test(config) as faces:
        for path, seed in zip(models(confirmed, place), confirmed.confirmation.seeds, strict=True):
            try:
                validation = validate(read_model(path).to(hardware.device), faces, hardware)
                found = validation.by_family(), validation.scores
            except BadEmbeddingsError as error:
                trial = confirmed.confirmation.chosen[place].trial
                raise NotScorableError(f"trial {trial} with seed {seed}: {error}") from error
            yield found


def _configuration(confirmed: Confirmed, place: int, measured: Measured) -> StoredConfiguration:
    chosen = confirmed.confirmation.chosen[place]
    return StoredConfiguration(
        trial=chosen.trial,
        digest=configuration_digest(confirmed.confirmation, place),
        settings=dict(chosen.values),
        figures={
            name: StoredFigure(value=each.value, interval=_pair(each.interval), sd_over_seeds=each.sd)
            for name, each in measured.figures.items()
        },
        fold_accuracy=None if measured.accuracy is None else asdict(measured.accuracy),
    )


def _pair(interval: Any) -> Any:
    found: Sequence[float] | None = as_list(interval)
    return None if found is None else tuple(found)
