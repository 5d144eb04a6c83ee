"""ASHA's rungs: where they lie, and who stops there."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinverify.search.rungs import Rungs, rung_levels

#: Values as an EER has them; few different ones, so that ties come up.
VALUES = st.lists(st.integers(0, 12).map(lambda n: n / 24), min_size=1, max_size=60)
FACTORS = st.integers(2, 6)


def one_rung(reduction_factor: int) -> Rungs:
    return Rungs(2, grace_epochs=1, reduction_factor=reduction_factor)


@pytest.mark.parametrize(
    ("epochs", "grace", "factor", "levels"),
    [
        (10, 2, 3, (2, 6)),
        (100, 1, 3, (1, 3, 9, 27, 81)),
        (81, 1, 3, (1, 3, 9, 27)),
        (9, 1, 2, (1, 2, 4, 8)),
        (4, 4, 3, ()),
        (4, 9, 3, ()),
        (1, 1, 3, ()),
        (2, 1, 10, (1,)),
    ],
)
def test_rungs_lie_at_powers_of_the_factor_below_the_last_epoch(
    epochs: int, grace: int, factor: int, levels: tuple[int, ...]
) -> None:
    assert rung_levels(epochs, grace, factor) == levels
    assert Rungs(epochs, grace_epochs=grace, reduction_factor=factor).levels == levels


@given(st.integers(1, 500), st.integers(1, 50), FACTORS)
def test_each_rung_is_the_factor_times_the_one_before(epochs: int, grace: int, factor: int) -> None:
    levels = rung_levels(epochs, grace, factor)
    assert all(later == sooner * factor for sooner, later in pairwise(levels))
    assert all(level < epochs for level in levels)
    assert levels == () or levels[-1] * factor >= epochs


def test_between_rungs_nobody_stops_and_nothing_is_remembered() -> None:
    rungs = Rungs(10, grace_epochs=2, reduction_factor=3)
    for _ in range(20):
        assert not any(rungs.stops(epoch, 9.0) for epoch in (1, 3, 4, 5, 7, 8, 9, 10))
    assert rungs.values(2) == rungs.values(6) == ()


@pytest.mark.parametrize("factor", [2, 3, 4, 10])
def test_nobody_is_cut_against_fewer_values_than_the_factor(factor: int) -> None:
    rungs = one_rung(factor)
    worse_and_worse = [rungs.stops(1, float(value)) for value in range(factor)]
    assert worse_and_worse == [False] * (factor - 1) + [True]


@given(VALUES, FACTORS)
def test_a_strictly_best_so_far_never_stops(values: list[float], factor: int) -> None:
    rungs = one_rung(factor)
    for place, value in enumerate(values):
        stops = rungs.stops(1, value)
        assert not (stops and all(value < earlier for earlier in values[:place]))


@given(VALUES, FACTORS)
def test_who_ties_with_the_worst_that_goes_on_goes_on_too(values: list[float], factor: int) -> None:
    rungs = one_rung(factor)
    for value in values:
        rungs.stops(1, value)
    seen = rungs.values(1)
    cut_off = seen[max(1, (len(seen) + 1) // factor) - 1]
    assert not rungs.stops(1, cut_off)


@given(VALUES, FACTORS)
def test_a_decision_depends_on_the_values_before_it_but_not_on_their_order(values: list[float], factor: int) -> None:
    *earlier, last = values
    forwards, sorted_first = one_rung(factor), one_rung(factor)
    for value in earlier:
        forwards.stops(1, value)
    for value in sorted(earlier, reverse=True):
        sorted_first.stops(1, value)
    assert forwards.stops(1, last) == sorted_first.stops(1, last)
    assert forwards.values(1) == sorted_first.values(1) == tuple(sorted(values))


@given(VALUES, FACTORS)
def test_a_better_value_never_stops_where_a_worse_one_would_not(values: list[float], factor: int) -> None:
    def decided(last: float) -> bool:
        rungs = one_rung(factor)
        for value in values:
            rungs.stops(1, value)
        return rungs.stops(1, last)

    decisions = [decided(last / 24) for last in range(-1, 14)]
    assert decisions == sorted(decisions)


@given(VALUES, VALUES, FACTORS)
def test_rungs_do_not_see_each_other(first: list[float], second: list[float], factor: int) -> None:
    both, alone = Rungs(factor + 1, grace_epochs=1, reduction_factor=factor), one_rung(factor)
    for value in first:
        assert both.stops(1, value) == alone.stops(1, value)
        for other in second:
            both.stops(factor, other)
    assert both.values(1) == alone.values(1)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_of_many_trials_in_random_order_one_in_factor_goes_on(factor: int) -> None:
    shares = []
    for seed in range(20):
        rungs, order = one_rung(factor), random.Random(seed)
        shares.append(sum(not rungs.stops(1, order.random()) for _ in range(3000)) / 3000)
    assert sum(shares) / len(shares) == pytest.approx(1 / factor, abs=0.01)
    assert all(abs(share - 1 / factor) < 0.04 for share in shares)
