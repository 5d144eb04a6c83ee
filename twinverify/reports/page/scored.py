"""How sure the values of a sweep's trials are, as the page tells it."""

from twinverify.reports.page.told import Evidence
from twinverify.reports.scored import Key, estimates_of, tied
from twinverify.search.past import PastSweep
from twinverify.verification.ties import difference


def evidence(past: PastSweep) -> Evidence:
    """Resample the families of the kept scores, the same drawings for all trials."""
    metric = past.state.objective.removeprefix("val/")
    found = estimates_of([past], [metric])
    values = {key.trial: each[metric] for key, each in found.items() if metric in each}
    intervals = {number: each.interval for number, each in values.items() if each.interval is not None}
    best = past.state.best()
    if best is None or best.trial.number not in values:
        return Evidence(intervals)
    number = best.trial.number
    equals = frozenset(key.trial for key in tied(found, metric, Key(past.name, number)))
    first, default = values[number], values.get(0) if number else None
    is_paired = default is not None and first.resampling == default.resampling
    return Evidence(intervals, equals, difference(metric, first, default) if default and is_paired else None)
