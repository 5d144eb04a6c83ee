"""The state of a sweep: what the journal tells is all there is, so a sweep that goes on is the uninterrupted one."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState
from state_driver import AUC, EER, EPOCHS, SPACE, Sweep, events, metrics

from twinverify.search.journal import FILE_NAME
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SamplerName, SweepStudy


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    made = Sweep(tmp_path, stopper=False)
    yield made
    made.state.close()


# ---- going on after an interruption


class Uninterrupted:
    """One whole sweep, and its journal to cut."""

    def __init__(self, folder: Path, sampler: SamplerName, trials: int) -> None:
        self.sampler, self.trials = sampler, trials
        sweep = Sweep(folder, sampler=sampler)
        sweep.run(trials)
        sweep.state.close()
        self.journal = (folder / FILE_NAME).read_bytes()
        self.events, self.remembered = events(folder), sweep.remembered()

    def goes_on_from(self, folder: Path, cut: int) -> None:
        (folder / FILE_NAME).write_bytes(self.journal[:cut])
        sweep = Sweep(folder, sampler=self.sampler)
        sweep.run(self.trials)
        sweep.state.close()
        assert events(folder) == self.events, f"cut at byte {cut}"
        assert sweep.remembered() == self.remembered, f"cut at byte {cut}"


@pytest.fixture(scope="module", params=[("random", 20), ("tpe", 14), ("grid", 14)], ids=lambda param: str(param[0]))
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Uninterrupted:
    return Uninterrupted(tmp_path_factory.mktemp("whole"), *request.param)


def test_the_sweep_that_is_cut_has_trials_of_every_end(whole: Uninterrupted) -> None:
    thens = {entry.get("then", entry["event"]) for entry in whole.events}
    assert thens >= {"drawn", "continue", "pruned", "completed"}
    if whole.sampler == "random":
        assert "failed" in thens


def test_after_a_cut_at_any_line_the_sweep_goes_on_as_the_uninterrupted_one(
    whole: Uninterrupted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cuts = [place + 1 for place, byte in enumerate(whole.journal) if byte == ord("\n")]
    for cut in [0, *cuts][::4]:
        whole.goes_on_from(tmp_path_factory.mktemp("cut"), cut)


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_after_a_cut_at_any_byte_the_sweep_goes_on_as_the_uninterrupted_one(
    whole: Uninterrupted, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(whole.journal)), label="bytes left of the journal")
    whole.goes_on_from(tmp_path_factory.mktemp("cut"), cut)


def test_a_sweep_that_is_extended_equals_one_that_was_longer_from_the_start(
    whole: Uninterrupted, tmp_path: Path
) -> None:
    for trials in (whole.trials // 2, whole.trials):
        sweep = Sweep(tmp_path, sampler=whole.sampler)
        sweep.run(trials)
        sweep.state.close()
    assert events(tmp_path) == whole.events


def test_times_are_those_of_the_journal_after_a_replay(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.run(4)
    sweep.state.close()
    again = Sweep(tmp_path)
    again.state.close()
    for mine, theirs in zip(sweep.state.trials, again.state.trials, strict=True):
        assert (mine.drawn_at, mine.ended_at, mine.reported_at) == (
            theirs.drawn_at,
            theirs.ended_at,
            theirs.reported_at,
        )
        assert len(theirs.reported_at) == len(theirs.reports)


# ---- drawing, reporting, deciding


def test_trials_are_numbered_from_0_and_the_first_is_the_default(sweep: Sweep) -> None:
    trials = [sweep.state.draw() for _ in range(3)]
    assert [trial.number for trial in trials if trial] == [0, 1, 2]
    assert trials[0] is not None
    assert trials[0].values == SPACE.default_values()


def test_nothing_is_drawn_where_the_sampler_has_no_more(tmp_path: Path) -> None:
    class Empty(SweepStudy):
        def draw(self, number: int) -> dict[str, Any] | None:
            return None

    state = SweepState(tmp_path, Empty(SPACE, "random", 0), None, objective=EER, epochs=2)
    assert state.draw() is None
    assert state.trials == []
    assert events(tmp_path) == []
    state.close()


def test_a_trial_that_reaches_the_last_epoch_is_completed(sweep: Sweep) -> None:
    sweep.state.draw()
    thens = [sweep.state.report(0, epoch, metrics(0.5)) for epoch in range(1, EPOCHS + 1)]
    assert thens == ["continue"] * (EPOCHS - 1) + ["completed"]
    assert sweep.state.trials[0].state == "completed"
    assert sweep.state.running == []


def test_reports_share_the_names_of_their_metrics(sweep: Sweep, tmp_path: Path) -> None:
    sweep.state.draw()
    for epoch in (1, 2):
        sweep.state.report(0, epoch, {"".join(["val/", "twin_eer"]): 0.5})
    sweep.state.close()
    for state in (sweep.state, Sweep(tmp_path, stopper=False).state):
        first, second = (next(iter(report)) for report in state.trials[0].reports)
        assert first is second


def test_reports_given_again_change_nothing(sweep: Sweep, tmp_path: Path) -> None:
    sweep.state.draw()
    for epoch in (1, 2, 3):
        sweep.state.report(0, epoch, metrics(0.5 - epoch / 10))
    before, journal = sweep.remembered(), (tmp_path / FILE_NAME).read_bytes()
    for epoch in (1, 2, 3):
        assert sweep.state.report(0, epoch, metrics(9.9)) == "continue"
    assert sweep.remembered() == before
    assert (tmp_path / FILE_NAME).read_bytes() == journal
    assert sweep.state.report(0, 4, metrics(0.1)) == "continue"


def test_reports_after_the_end_change_nothing_and_tell_the_end(sweep: Sweep) -> None:
    for number, then in enumerate(("completed", "pruned")):
        sweep.state.draw()
        if then == "completed":
            for epoch in range(1, EPOCHS + 1):
                sweep.state.report(number, epoch, metrics(0.5))
        else:
            sweep.state.fail(number, "worker died")
        before = sweep.remembered()
        assert sweep.state.report(number, EPOCHS, metrics(0.1)) == then
        assert sweep.state.report(number, EPOCHS + 1, metrics(0.1)) == then
        assert sweep.remembered() == before


@pytest.mark.parametrize("epoch", [2, 7])
def test_a_gap_in_the_epochs_is_an_error_and_is_not_recorded(sweep: Sweep, tmp_path: Path, epoch: int) -> None:
    sweep.state.draw()
    before = events(tmp_path)
    with pytest.raises(ValueError, match=f"trial 0 reported epoch {epoch} after epoch 0"):
        sweep.state.report(0, epoch, metrics(0.5))
    assert events(tmp_path) == before


@pytest.mark.parametrize(
    "reported", [{EER: float("nan")}, {EER: float("inf")}, {EER: float("-inf")}, {"val/general_eer": 0.1}, {}], ids=str
)
def test_without_a_finite_objective_a_trial_has_failed(
    sweep: Sweep, tmp_path: Path, reported: Mapping[str, float]
) -> None:
    sweep.state.draw()
    sweep.state.report(0, 1, metrics(0.1))
    assert sweep.state.report(0, 2, reported) == "pruned"
    trial = sweep.state.trials[0]
    assert (trial.state, trial.cause) == ("failed", f"epoch 2: {EER} is not a number")
    assert trial.epoch == 1
    assert events(tmp_path)[-1] == {"event": "failed", "trial": 0, "cause": trial.cause}
    assert sweep.study.trials[0].state is TrialState.FAIL


def test_a_failed_trial_does_not_fail_twice_and_an_ended_one_not_at_all(sweep: Sweep, tmp_path: Path) -> None:
    for number in (0, 1):
        sweep.state.draw()
        sweep.state.report(number, 1, metrics(0.5))
    sweep.state.fail(1, "out of memory")
    for epoch in range(2, EPOCHS + 1):
        sweep.state.report(0, epoch, metrics(0.5))
    before = events(tmp_path)
    sweep.state.fail(0, "too late")
    sweep.state.fail(1, "again")
    assert events(tmp_path) == before
    assert [(t.state, t.cause) for t in sweep.state.trials] == [("completed", None), ("failed", "out of memory")]


def test_bad_trials_stop_early_but_never_the_default(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    for _ in range(5):
        sweep.state.draw()
    good = [sweep.state.report(number, 1, metrics(0.1 * number)) for number in (1, 2, 3)]
    assert good == ["continue", "pruned", "pruned"]
    assert [sweep.state.report(0, epoch, metrics(9.0)) for epoch in (1, 2, 3)] == ["continue"] * 3
    assert sweep.state.report(4, 1, metrics(0.05)) == "continue"
    assert sweep.rungs.values(1) == (0.05, 0.1, 0.2, pytest.approx(0.3), 9.0)
    sweep.state.close()


def test_a_trial_is_judged_at_a_rung_by_its_best_epoch_so_far(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.state.draw()
    sweep.state.report(0, 1, metrics(0.2))
    sweep.state.report(0, 2, metrics(0.9))
    assert sweep.rungs.values(2) == (0.2,)
    sweep.state.close()


def test_without_a_stopper_nobody_stops_early(sweep: Sweep) -> None:
    for number in range(6):
        sweep.state.draw()
        thens = {sweep.state.report(number, epoch, metrics(float(number))) for epoch in range(1, EPOCHS)}
        assert thens == {"continue"}


# ---- what Optuna is told


def test_in_the_end_optuna_knows_each_trials_true_end_and_none_is_left_running(whole: Uninterrupted) -> None:
    told, trials, _ = whole.remembered
    states = {"completed": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    for (_, _, state, _, reports), (its_state, _, _, intermediate, value) in zip(told, trials, strict=True):
        values = {epoch: report[EER] for epoch, report in enumerate(reports, 1)}
        assert its_state == states[state]
        assert intermediate == values
        if state == "completed":
            assert value == min(values.values())
        elif state == "pruned":
            assert max(intermediate) == len(reports)
            assert value == values[len(reports)]
        else:
            assert value is None


def test_an_objective_to_maximise_is_told_to_optuna_and_rungs_upside_down(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, objective=AUC)
    for number, start in enumerate((0.6, 0.7, 0.9, 0.5)):
        sweep.state.draw()
        then = sweep.state.report(number, 1, metrics(start, AUC))
        assert then == ("pruned" if number == 3 else "continue"), number
    for epoch in range(2, EPOCHS + 1):
        sweep.state.report(2, epoch, metrics(0.9 - epoch / 100, AUC))
    assert sweep.rungs.values(1) == (-0.9, -0.7, -0.6, -0.5)
    assert sweep.study.trials[2].value == -0.9
    assert sweep.study.trials[3].state is TrialState.PRUNED
    best = sweep.state.best()
    assert best is not None
    assert (best.trial.number, best.epoch, best.value) == (2, 1, 0.9)
    sweep.state.close()


# ---- the best


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.5, 0.3, 0.4], (2, 0.3)), ([0.3, 0.3], (1, 0.3)), ([0.0], (1, 0.0)), ([], None)],
)
def test_the_best_report_is_the_first_of_the_lowest(values: list[float], expected: tuple[int, float] | None) -> None:
    trial = Trial(0, {}, 0.0, reports=[metrics(value) for value in values])
    assert trial.best(EER) == expected
    assert trial.best("val/general_eer") is None


@given(values=st.lists(st.sampled_from([0.1, 0.2, 0.3, None]), max_size=12))
def test_the_best_report_is_right_after_each_report_and_when_the_reports_are_others(values: list[float | None]) -> None:
    trial = Trial(0, {}, 0.0)
    for _ in range(2):
        trial.reports = []
        for value in values:
            trial.reports.append({"train/loss": 0.5} if value is None else metrics(value))
            lowest = min(((r[EER], epoch) for epoch, r in enumerate(trial.reports, 1) if EER in r), default=None)
            assert trial.best(EER) == (lowest and lowest[::-1])
            assert trial.best("val/general_eer") is None
        values = values[::-1]


def test_to_ask_for_the_best_looks_at_each_report_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    monkeypatch.setattr("twinverify.search.record.cost", lambda _, value: looked.append(value) or value)
    trial = Trial(0, {}, 0.0)
    for epoch in range(1, 101):
        trial.reports.append(metrics(1 / epoch))
        trial.best(EER)
        trial.best(EER)
    assert len(looked) <= 200


def test_the_best_trial_is_the_first_of_the_best_and_no_failed_one(sweep: Sweep) -> None:
    assert sweep.state.best() is None
    for number, value in enumerate((0.4, 0.1, 0.2, 0.2)):
        sweep.state.draw()
        assert number == 0 or sweep.state.best() is not None
        sweep.state.report(number, 1, metrics(value))
    best = sweep.state.best()
    assert best is not None
    assert best.trial is sweep.state.trials[1]
    sweep.state.fail(1, "worker died")
    best = sweep.state.best()
    assert best is not None
    assert best.trial is sweep.state.trials[2]


def test_listeners_hear_of_each_change_after_it_is_in_the_journal(sweep: Sweep, tmp_path: Path) -> None:
    heard: list[tuple[str, int, str]] = []
    sweep.state.listeners.append(lambda trial: heard.append((events(tmp_path)[-1]["event"], trial.epoch, trial.state)))
    sweep.state.draw()
    sweep.state.report(0, 1, metrics(0.5))
    sweep.state.report(0, 1, metrics(0.5))
    sweep.state.fail(0, "x")
    sweep.state.fail(0, "x")
    assert heard == [("drawn", 0, "running"), ("reported", 1, "running"), ("failed", 1, "failed")]


@pytest.mark.parametrize("step", ["draw", "report", "fail"])
def test_nobody_hears_of_what_could_not_be_written(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str
) -> None:
    from twinverify.errors import UserError

    heard: list[Trial] = []
    sweep.state.draw()
    sweep.state.listeners.append(heard.append)
    steps: dict[str, Callable[[], Any]] = {
        "draw": sweep.state.draw,
        "report": lambda: sweep.state.report(0, 1, metrics(0.5)),
        "fail": lambda: sweep.state.fail(0, "x"),
    }
    before = json.dumps(events(tmp_path))

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(UserError):
        steps[step]()
    monkeypatch.undo()
    assert heard == []
    assert len(sweep.state.trials) == 1
    assert (sweep.state.trials[0].state, sweep.state.trials[0].epoch) == ("running", 0)
    assert json.dumps(events(tmp_path)) == before
