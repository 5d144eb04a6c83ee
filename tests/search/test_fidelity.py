"""The audit of early stopping: constructed courses with known answers."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from state_driver import AUC, EER, SPACE, metrics

from twinverify.search.fidelity import audit_fidelity, spearman_interval
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy


class Stops:
    """Stops whoever is worse than 0.5 after epoch 1."""

    def stops(self, epoch: int, value: float) -> bool:
        return epoch == 1 and value > 0.5


def told(folder: Path, courses: Sequence[Sequence[float]], *, spared: Sequence[int] = (), objective: str = EER):
    state = SweepState(
        folder, SweepStudy(SPACE, "random", 0), Stops(), objective=objective, epochs=len(courses[0]), spared=spared
    )
    for number, values in enumerate(courses):
        state.draw()
        for epoch, value in enumerate(values, 1):
            if state.report(number, epoch, metrics(value, objective)) != "continue":
                break
    state.close()
    return state


def test_a_rung_that_tells_the_order_of_the_end_has_a_correlation_of_one(tmp_path: Path) -> None:
    state = told(tmp_path, [(0.1 * n, 0.05 * n) for n in range(1, 6)])
    [rung] = audit_fidelity(state, [1]).rungs
    assert (rung.epoch, rung.trials, rung.correlation) == (1, 5, pytest.approx(1.0))
    assert rung.interval is not None
    assert rung.interval.low < 0.6
    assert rung.interval.high == pytest.approx(1.0)


def test_a_rung_that_tells_the_opposite_has_minus_one(tmp_path: Path) -> None:
    state = told(tmp_path, [(0.1 * n, 0.09 - 0.01 * n) for n in range(1, 6)])
    assert audit_fidelity(state, [1]).rungs[0].correlation == pytest.approx(-1.0)


def test_values_are_the_best_up_to_an_epoch_whichever_way_is_better(tmp_path: Path) -> None:
    state = told(tmp_path, [(0.1 * n, 0.0) for n in range(1, 6)], objective=AUC)
    # The later zeros are worse, so the best so far is the first value.
    assert audit_fidelity(state, [1]).rungs[0].correlation == pytest.approx(1.0)


def test_stopped_trials_and_those_of_too_small_a_number_are_not_compared(tmp_path: Path) -> None:
    state = told(tmp_path, [(0.1, 0.1), (0.2, 0.2), (0.9, 0.1), (0.3, 0.3)])
    [rung] = audit_fidelity(state, [1]).rungs
    assert (rung.trials, rung.correlation, rung.interval) == (3, None, None)


def test_values_that_are_all_alike_have_no_correlation(tmp_path: Path) -> None:
    state = told(tmp_path, [(0.2, 0.1)] * 6)
    assert audit_fidelity(state, [1]).rungs[0].correlation is None


def test_a_spared_trial_wins_where_it_ends_better_than_all_the_others(tmp_path: Path) -> None:
    courses = [(0.4, 0.3), (0.9, 0.2), (0.8, 0.35), (0.45, 0.3)]
    audit = audit_fidelity(told(tmp_path, courses, spared=(1, 2)), [1])
    assert (audit.spared, audit.won) == (2, 1)
    assert audit.share == pytest.approx((0.0126, 0.9874), abs=1e-4)


def test_without_spared_trials_nothing_is_said_of_them(tmp_path: Path) -> None:
    audit = audit_fidelity(told(tmp_path, [(0.4, 0.3), (0.9, 0.2)]), [1])
    assert (audit.spared, audit.won, audit.share) == (0, 0, None)


def test_a_sweep_without_trials_has_an_audit_too(tmp_path: Path) -> None:
    state = SweepState(tmp_path, SweepStudy(SPACE, "random", 0), None, objective=EER, epochs=2)
    assert audit_fidelity(state, []) == ([], 0, 0, None)


@pytest.mark.parametrize("number", [10, 50])
def test_the_interval_covers_the_true_correlation_about_19_times_in_20(number: int) -> None:
    import numpy as np
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    normal = 0.6
    truth = 6 / np.pi * np.arcsin(normal / 2)  # Spearman's of a bivariate normal distribution
    covered = 0
    for _ in range(600):
        x = rng.normal(size=number)
        y = normal * x + np.sqrt(1 - normal**2) * rng.normal(size=number)
        low, high = spearman_interval(float(spearmanr(x, y).statistic), number)
        covered += low <= truth <= high
    assert 0.92 <= covered / 600 <= 0.98
