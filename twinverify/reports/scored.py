"""The kept scores of trials, of one sweep or several: metrics with intervals, and what cannot be told from the best."""

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from pathlib import Path
from typing import Final, NamedTuple

from twinverify.errors import UserError
from twinverify.search.past import PastSweep, trial_folder
from twinverify.search.record import Judged
from twinverify.training.names import SCORES
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import METRICS, Estimate, estimates
from twinverify.verification.resampling import Resampling
from twinverify.verification.ties import ties

#: How often the families are drawn.
ROUNDS: Final = 2000
#: The same are drawn again where there are more.
_MOST_RESAMPLINGS: Final = 8


class Key(NamedTuple):
    """One trial of one sweep."""

    sweep: str
    trial: int


Estimates = Mapping[Key, Mapping[str, Estimate]]


def estimates_of(
    sweeps: Sequence[PastSweep],
    metrics: Collection[str] = METRICS,
    *,
    rounds: int = ROUNDS,
    told: Callable[[int, int], None] = lambda *_: None,
) -> Estimates:
    """Give the estimates of the trials that did not fail and whose scores were kept.

    Evaluations of the same pairs are resampled in the same drawings.

    Args:
        sweeps: whose trials.
        metrics: which, without `val/`; those that have no interval are left out.
        rounds: how often the families are drawn.
        told: is told how many trials are done, and how many there are.
    """
    judged = [(past, each) for past in sweeps for each in past.state.ranked() if each.trial.state != "failed"]
    wanted = [name for name in metrics if name in METRICS]
    resamplings: dict[str, Resampling] = {}
    found: dict[Key, Mapping[str, Estimate]] = {}
    for done, (past, each) in enumerate(judged, 1):
        scores = read_scores(past.folder, each)
        if scores is not None:
            if scores.key not in resamplings:
                # Each takes megabytes, and where `split.reshuffle` is searched each trial has its own.
                if len(resamplings) >= _MOST_RESAMPLINGS:
                    del resamplings[next(iter(resamplings))]
                resamplings[scores.key] = Resampling.draw(scores, rounds)
            found[Key(past.name, each.trial.number)] = estimates(scores, resamplings[scores.key], wanted)
        told(done, len(judged))
    return found


def tied(found: Estimates, metric: str, best: Key) -> Set[Key]:
    """Give the trials that a paired comparison on the same families cannot tell from the best; itself left out.

    Trials that were measured on other families, as where `split.reshuffle` is searched, are not compared.
    """
    first = found.get(best, {}).get(metric)
    if first is None:
        return frozenset()
    keys = [key for key, known in found.items() if metric in known and known[metric].resampling == first.resampling]
    are_tied = ties(metric, [found[key][metric] for key in keys])
    return frozenset(key for key, is_tied in zip(keys, are_tied, strict=True) if is_tied and key != best)


def read_scores(folder: Path, judged: Judged) -> FamilyScores | None:
    """Give the scores of a trial's best epoch; None where none were kept, or they are damaged or of another epoch.

    Args:
        folder: the sweep's.
        judged: the trial.
    """
    try:
        scores = FamilyScores.load(trial_folder(folder, judged.trial.number) / SCORES)
    except UserError:
        return None
    # Of a trial that runs, they may be of an epoch that is not reported yet.
    return scores if scores.epoch in (0, judged.epoch) else None
