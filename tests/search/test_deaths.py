"""How many workers a trial may lose, and when it is no trial's fault."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.deaths import MAX_WORKER_DEATHS, Deaths
from twinverify.search.space import load_space
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

EER = "val/twin_eer"
Told = list[tuple[int, str, int]]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SweepState]:
    study = SweepStudy(load_space("glca_heads", load_config("tiny")), "random", 0)
    made = SweepState(tmp_path, study, None, objective=EER, epochs=2)
    for _ in range(3):
        made.draw()
    yield made
    made.close()


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def deaths(state: SweepState, told: Told) -> Deaths:
    """Those of a start that goes well otherwise."""
    counted = Deaths(state, lambda *death: told.append(death))
    counted.started()
    counted.reported()
    return counted


def test_a_trial_goes_on_three_times_and_the_fourth_death_is_the_last(deaths: Deaths, told: Told) -> None:
    for number in range(MAX_WORKER_DEATHS):
        deaths.add(1, f"cause {number}")
        assert not deaths.too_many(1)
    deaths.add(1, "the last")
    assert deaths.too_many(1)
    assert told == [(1, "cause 0", 1), (1, "cause 1", 2), (1, "cause 2", 3)]
    assert deaths.verdict(1) == "its worker died too often; the last time: the last"


def test_the_deaths_of_one_trial_are_not_anothers(deaths: Deaths, told: Told) -> None:
    for number in (0, 1, 0, 1, 2, 0, 1):
        deaths.add(number, "killed")
    assert [deaths.too_many(number) for number in range(3)] == [False] * 3
    assert told[-1] == (1, "killed", 3)


def test_workers_that_never_come_up_stop_the_sweep_whatever_it_had_before(state: SweepState) -> None:
    state.report(0, 1, {EER: 0.5})
    counted = Deaths(state, lambda *_: None)
    for number in (0, 1, 0):
        counted.add(number, "ModuleNotFoundError: x")
    with pytest.raises(UserError, match=r"4 in a row died, each before it could start \(ModuleNotFoundError: x\)"):
        counted.add(1, "ModuleNotFoundError: x")


def test_workers_that_die_before_the_first_report_of_a_sweep_stop_it(state: SweepState) -> None:
    counted = Deaths(state, lambda *_: None)
    counted.started()
    for _ in range(MAX_WORKER_DEATHS):
        counted.add(0, "killed")
    with pytest.raises(UserError, match=r"each before its first report \(killed\)"):
        counted.add(0, "killed")


def test_a_trial_that_kills_its_workers_fails_alone_once_the_sweep_has_seen_a_report(state: SweepState) -> None:
    # Or a sweep interrupted in such a trial would stop at every start.
    state.report(0, 1, {EER: 0.5})
    counted = Deaths(state, lambda *_: None)
    counted.started()
    for _ in range(MAX_WORKER_DEATHS + 1):
        counted.add(1, "killed")
    assert counted.too_many(1)


def test_deaths_over_days_stop_no_sweep(deaths: Deaths) -> None:
    for _ in range(20):
        for number in range(3):
            deaths.add(number, "killed")
