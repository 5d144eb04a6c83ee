"""Evidence from kept scores: intervals, and ties by a paired comparison."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_scores import scores_of

from twinverify.reports.page.scored import evidence
from twinverify.reports.scored import read_scores
from twinverify.search.past import read_past
from twinverify.training.names import SCORES


@pytest.fixture
def folder(written: Callable[..., Path]) -> Path:
    """Three trials: the best, one just as good on other noise, one far worse."""
    made = written([("completed", [value] * 4, None) for value in (0.10, 0.11, 0.4)])
    for number, (twins, seed) in enumerate([(0.25, 0), (0.25, 1), (0.45, 2)]):
        (made / f"{number:05d}").mkdir()
        scores_of(twins=twins, seed=seed).save(made / f"{number:05d}" / SCORES)
    return made


def test_the_interval_is_that_of_the_kept_scores(folder: Path) -> None:
    found = evidence(read_past(folder)).intervals
    assert set(found) == {0, 1, 2}
    assert found[0].low < 0.106 < found[0].high  # two normal distributions 2.5 sd apart
    assert found[2].low < 0.401 < found[2].high  # 0.5 sd
    assert found[0].high - found[0].low < 0.1


def test_a_trial_that_cannot_be_told_from_the_best_is_tied_and_a_far_worse_one_is_not(folder: Path) -> None:
    assert evidence(read_past(folder)).tied == {1}


def test_the_gain_over_the_default_is_compared_pair_by_pair(written: Callable[..., Path]) -> None:
    folder = written([("completed", [value] * 4, None) for value in (0.4, 0.1)])
    for number, twins in enumerate((0.45, 0.25)):
        (folder / f"{number:05d}").mkdir()
        scores_of(twins=twins).save(folder / f"{number:05d}" / SCORES)
    gain = evidence(read_past(folder)).gain
    assert gain is not None
    assert gain.interval is not None
    assert gain.value == pytest.approx(-0.29, abs=0.03)
    assert gain.interval.high < 0


def test_two_families_give_no_interval(written: Callable[..., Path]) -> None:
    folder = written([("completed", [0.1] * 4, None)])
    (folder / "00000").mkdir()
    scores_of(twins=0.25, families=2).save(folder / "00000" / SCORES)
    assert evidence(read_past(folder)).intervals == {}


def test_of_damaged_or_missing_scores_nothing_is_claimed(folder: Path) -> None:
    (folder / "00000" / SCORES).write_bytes(b"PK\x03\x04 cut off")
    (folder / "00001" / SCORES).unlink()
    found = evidence(read_past(folder))
    assert set(found.intervals) == {2}
    assert found.tied == frozenset()
    assert read_scores(folder, read_past(folder).state.ranked()[0]) is None
