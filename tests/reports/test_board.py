"""Boards: which sweeps stand together, whose values can be compared, and how large a board stays fast."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_scores import scores_of

from twinverify.reports.board import Board, boards
from twinverify.reports.scored import Key, estimates_of, tied
from twinverify.search.past import PastSweep
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy
from twinverify.training.names import SCORES

Tell = Callable[..., int]

EER = "val/twin_eer"


@pytest.fixture
def past(plan: SweepPlan, state: SweepState, tell: Tell, tmp_path: Path) -> PastSweep:
    """A sweep of four trials with scores: the third on other families, the fourth failed."""
    for value in (0.11, 0.10, 0.105):
        tell(value)
    tell(0.01, fails="out of memory")
    for number, (twins, families) in enumerate([(0.25, 10), (0.25, 10), (0.25, 12), (0.1, 10)]):
        (tmp_path / f"{number:05d}").mkdir()
        scores_of(twins=twins, families=families, seed=number).save(tmp_path / f"{number:05d}" / SCORES)
    return PastSweep(tmp_path, plan.stored(), state)


def test_what_was_measured_on_other_families_is_not_compared(past: PastSweep) -> None:
    (board,) = boards([past])
    best, default, other, failed = (Key(past.name, number) for number in (1, 0, 2, 3))
    assert board.best is not None
    assert board.best.key == best
    assert board.tied == {default}
    assert board.can_compare(default)
    assert not board.can_compare(other)
    assert board.gain(other) is None
    assert board.interval(other) is not None
    assert failed not in board.estimates


def test_the_gain_is_paired(past: PastSweep) -> None:
    (board,) = boards([past])
    gain = board.gain(Key(past.name, 0))
    assert gain is not None
    assert gain.interval is not None
    assert gain.interval.low < 0 < gain.interval.high


def test_only_the_metrics_that_are_asked_for_are_resampled(past: PastSweep) -> None:
    told: list[tuple[int, int]] = []
    found = estimates_of([past], ["general_auc"], rounds=50, told=lambda done, total: told.append((done, total)))
    assert {name for each in found.values() for name in each} == {"general_auc"}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert tied(found, "twin_eer", Key(past.name, 1)) == frozenset()


def test_scores_of_an_epoch_that_is_not_the_best_are_left_out(past: PastSweep) -> None:
    scores_at = past.folder / "00001" / SCORES
    replace(scores_of(twins=0.25), epoch=2).save(scores_at)
    assert Key(past.name, 1) not in estimates_of([past], rounds=10)
    replace(scores_of(twins=0.25), epoch=1).save(scores_at)
    assert Key(past.name, 1) in estimates_of([past], rounds=10)


def test_without_scores_nothing_is_claimed(past: PastSweep) -> None:
    board = Board([past], {})
    assert board.best is not None
    assert (board.tied, board.interval(board.best.key), board.gain(board.best.key)) == (frozenset(), None, None)


def test_each_of_several_sweeps_is_told_by_itself(past: PastSweep, plan: SweepPlan, tmp_path: Path) -> None:
    (tmp_path / "worse").mkdir()
    worse = SweepState(tmp_path / "worse", SweepStudy(plan.space, "random", 0), None, objective=EER, epochs=4)
    for number, value in enumerate((0.31, 0.3)):
        worse.draw()
        worse.report(number, 1, {EER: value})
        (tmp_path / "worse" / f"{number:05d}").mkdir()
        scores_of(twins=0.4, seed=number).save(tmp_path / "worse" / f"{number:05d}" / SCORES)
    worse.close()
    other = PastSweep(tmp_path / "worse", plan.stored(), worse)
    (board,) = boards([past, other])
    assert board.best is not None
    assert board.best.key == Key(past.name, 1)
    assert {key.sweep for key in board.tied} == {past.name}
    assert board.of(other).tied == {Key("worse", 0)}
    assert board.of(past).tied == {Key(past.name, 0)}


def test_as_many_kinds_of_families_as_there_are_trials_are_resampled_alike(
    past: PastSweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = estimates_of([past], ["twin_eer"], rounds=50)
    monkeypatch.setattr("twinverify.reports.scored._MOST_RESAMPLINGS", 1)
    again = estimates_of([past], ["twin_eer"], rounds=50)
    assert {key: each["twin_eer"].interval for key, each in again.items()} == {
        key: each["twin_eer"].interval for key, each in few.items()
    }
