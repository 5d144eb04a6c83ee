import pytest
from whole_sweep import WholeSweep, make_whole

from twinverify.errors import UserError
from twinverify.search.confirm.chosen import choose, fresh_seeds
from twinverify.search.past import PastSweep, read_past


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> WholeSweep:
    return make_whole(tmp_path_factory.mktemp("chosen"), trials=10, tracking="off")


@pytest.fixture
def past(sweep: WholeSweep) -> PastSweep:
    return read_past(sweep.folder)


def test_the_default_comes_first_and_then_the_best(past: PastSweep):
    chosen = choose(past, 3)
    best = [each.trial.number for each in past.state.ranked() if each.trial.number != 0][:3]
    assert [each.trial for each in chosen] == [0, *best]


def test_no_more_are_chosen_than_there_are(past: PastSweep):
    chosen, drawn = choose(past, 50), [trial.values for trial in past.state.trials if trial.state != "failed"]
    assert all(each.values in drawn for each in chosen)
    assert all(values in [each.values for each in chosen] for values in drawn)


def test_the_same_values_are_chosen_once(past: PastSweep):
    best, second = [each.trial for each in past.state.ranked() if each.trial.number != 0][:2]
    second.values = dict(best.values)
    chosen = choose(past, 3)
    assert second.number not in [each.trial for each in chosen]
    assert len(chosen) == 4


def test_values_like_the_defaults_are_the_default(past: PastSweep):
    best = next(each.trial for each in past.state.ranked() if each.trial.number != 0)
    best.values = dict(past.state.trials[0].values)
    assert best.number not in [each.trial for each in choose(past, 9)]


def test_failed_trials_are_not_chosen(past: PastSweep):
    best = next(each.trial for each in past.state.ranked() if each.trial.number != 0)
    best.state = "failed"
    assert best.number not in [each.trial for each in choose(past, 9)]


def test_a_sweep_without_ended_trials_is_refused(past: PastSweep):
    for trial in past.state.trials:
        trial.state = "running"
    with pytest.raises(UserError, match="none of its 10 trials has ended yet"):
        choose(past, 3)
    for trial in past.state.trials:
        trial.state, trial.cause = "failed", "out of memory"
    with pytest.raises(UserError, match="all failed, the first: out of memory"):
        choose(past, 3)


def test_a_sweep_of_the_default_alone_is_refused(past: PastSweep):
    del past.state.trials[1:]
    with pytest.raises(UserError, match="nothing to confirm"):
        choose(past, 3)


def test_seeds_follow_from_the_sweep_and_are_not_its_own():
    seeds = fresh_seeds("abc", used=0, count=50)
    assert len(set(seeds)) == 50
    assert fresh_seeds("abc", used=0, count=5) == seeds[:5]
    assert fresh_seeds("abd", used=0, count=5) != seeds[:5]
    assert seeds[0] not in fresh_seeds("abc", used=seeds[0], count=50)
