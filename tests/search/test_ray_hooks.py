"""What stands between Ray Tune and the state, driven by hand: no Ray is started here."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search import ray_hooks
from twinverify.search.deaths import MAX_WORKER_DEATHS, Deaths
from twinverify.search.ray_ends import Aborted, AllDone, RayDied
from twinverify.search.ray_hooks import Pulse, StateScheduler, StateSearcher
from twinverify.search.space import load_space
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy

EER = "val/twin_eer"
SPACE = load_space("glca_heads", load_config("tiny"))


def opened(folder: Path) -> SweepState:
    return SweepState(folder, SweepStudy(SPACE, "random", 0), None, objective=EER, epochs=2)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SweepState]:
    made = opened(tmp_path)
    yield made
    made.close()


def task(trial: Trial) -> Any:
    return {"trial": trial.number, "values": trial.values}


def counted(state: SweepState) -> Deaths:
    """Deaths in a sweep that goes well otherwise."""
    deaths = Deaths(state, lambda *_: None)
    deaths.started()
    deaths.reported()
    return deaths


def searcher(state: SweepState, *, trials: int = 4, slots: int = 2, **options: Any) -> StateSearcher:
    return StateSearcher(state, task, options.pop("deaths", counted(state)), trials=trials, slots=slots, **options)


def all_done(search: StateSearcher) -> bool:
    with pytest.raises(AllDone):
        search.suggest("one more")
    return True


def run(state: SweepState, number: int) -> None:
    for epoch in (1, 2):
        state.report(number, epoch, {EER: 0.5})


def numbers(given: list[Any]) -> list[Any]:
    return [each["trial"] if isinstance(each, dict) else each for each in given]


# ---- the searcher


def test_no_more_trials_are_out_than_slots_so_that_a_draw_knows_all_results_before_it(state: SweepState) -> None:
    search = searcher(state)
    assert numbers([search.suggest(name) for name in "abc"]) == [0, 1, None]
    assert len(state.trials) == 2
    run(state, 0)
    search.on_trial_complete("a", {})
    assert numbers([search.suggest("c"), search.suggest("d")]) == [2, None]


def test_after_the_last_trial_it_is_finished(state: SweepState) -> None:
    search = searcher(state, trials=2, slots=1)
    for name in "ab":
        assert isinstance(search.suggest(name), dict)
        run(state, len(state.trials) - 1)
        search.on_trial_complete(name, {})
    assert all_done(search)
    assert len(state.trials) == 2


def test_trials_that_an_interruption_left_open_come_first(tmp_path: Path) -> None:
    before = opened(tmp_path)
    for number in (0, 1, 2):
        before.draw()
        if number == 1:
            run(before, 1)
    before.close()
    state = opened(tmp_path)
    search = searcher(state, trials=4, slots=4)
    assert numbers([search.suggest(name) for name in "abcd"]) == [0, 2, 3, None]
    for name in "abc":
        search.on_trial_complete(name, {})
    assert all_done(search)
    state.close()


def test_when_it_is_enough_open_trials_are_finished_but_none_is_drawn(tmp_path: Path) -> None:
    before = opened(tmp_path)
    before.draw()
    before.close()
    state = opened(tmp_path)
    search = searcher(state, enough=lambda: True)
    assert numbers([search.suggest("a"), search.suggest("b")]) == [0, None]
    search.on_trial_complete("a", {})
    assert all_done(search)
    state.close()


def test_however_short_the_time_the_default_is_tried(state: SweepState) -> None:
    search = searcher(state, enough=lambda: True)
    assert numbers([search.suggest("a"), search.suggest("b")]) == [0, None]
    search.on_trial_complete("a", {})
    assert all_done(search)


def test_when_a_grid_is_used_up_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text("model.glca.blocks: {int: [0, 1]}\n")
    study = SweepStudy(load_space(path, load_config("tiny")), "grid", 0)
    state = SweepState(tmp_path, study, None, objective=EER, epochs=2)
    search = searcher(state, trials=10, slots=10)
    assert numbers([search.suggest(name) for name in "abcd"]) == [0, 1, 2, None]
    state.close()


def test_an_end_that_ray_tells_twice_or_of_a_stranger_changes_nothing(state: SweepState) -> None:
    search = searcher(state, slots=1)
    search.suggest("a")
    run(state, 0)
    for name in ("a", "a", "stranger"):
        search.on_trial_complete(name, {}, error=name != "a")
    assert state.trials[0].state == "completed"


def test_a_trial_whose_worker_died_is_the_next_three_times_then_it_has_failed(state: SweepState) -> None:
    deaths = counted(state)
    search = searcher(state, slots=1, deaths=deaths)
    assert numbers([search.suggest("first")]) == [0]
    for number in range(MAX_WORKER_DEATHS):
        deaths.add(0, f"cause {number}")
        search.on_trial_complete(str(number) if number else "first", error=True)
        assert numbers([search.suggest(str(number + 1))]) == [0]
    assert (state.trials[0].state, len(state.trials)) == ("running", 1)
    deaths.add(0, "killed")
    search.on_trial_complete(str(MAX_WORKER_DEATHS), error=True)
    failed = state.trials[0]
    assert (failed.state, failed.cause) == ("failed", "its worker died too often; the last time: killed")
    assert numbers([search.suggest("other")]) == [1]


def test_while_a_trial_is_out_all_is_not_done_for_its_worker_may_die(state: SweepState) -> None:
    deaths = counted(state)
    search = searcher(state, trials=2, deaths=deaths)
    assert numbers([search.suggest(name) for name in "abc"]) == [0, 1, None]
    deaths.add(0, "killed")
    search.on_trial_complete("a", error=True)
    assert numbers([search.suggest("d")]) == [0]


def test_a_trial_whose_worker_died_comes_before_others_that_wait(state: SweepState) -> None:
    for _ in range(3):
        state.draw()
    search = searcher(state, slots=1)
    assert numbers([search.suggest("a")]) == [0]
    search.on_trial_complete("a", error=True)
    assert numbers([search.suggest("b")]) == [0]


def test_a_trial_that_has_ended_needs_no_other_worker(state: SweepState) -> None:
    search = searcher(state, trials=1)
    search.suggest("a")
    run(state, 0)
    search.on_trial_complete("a", error=True)
    assert all_done(search)
    assert state.trials[0].state == "completed"


def test_an_error_of_the_draw_goes_through_ray_as_it_is(state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise UserError("journal.jsonl: cannot be written")

    monkeypatch.setattr(state, "draw", full)
    with pytest.raises(Aborted) as caught:
        searcher(state).suggest("a")
    assert not isinstance(caught.value, Exception)  # Ray would catch it
    assert str(caught.value.error) == "journal.jsonl: cannot be written"


# ---- the scheduler


def result(**told: Any) -> dict[str, Any]:
    return {"training_iteration": 1, "time_total_s": 3.0, "pid": 7, "trial_id": "a", "done": False, **told}


def decided(state: SweepState, told: dict[str, Any], number: int = 0) -> str:
    trial: Any = SimpleNamespace(config={"trial": number})
    return StateScheduler(state, counted(state)).on_trial_result(None, trial, told)


def test_only_our_own_metrics_reach_the_state(state: SweepState) -> None:
    state.draw()
    told = result(epoch=1, **{f"metrics/{EER}": 0.4, "metrics/train/loss": 1.5, "config/trial": 0})
    assert decided(state, told) == TrialScheduler.CONTINUE
    assert state.trials[0].reports == [{EER: 0.4, "train/loss": 1.5}]


def test_a_trial_that_has_ended_is_stopped(state: SweepState) -> None:
    state.draw()
    state.report(0, 1, {EER: 0.5})
    assert decided(state, result(epoch=2, **{f"metrics/{EER}": 0.4})) == TrialScheduler.STOP
    assert state.trials[0].state == "completed"


def dies(state: SweepState, deaths: Deaths, folder: Path, told: str) -> None:
    (folder / "error.txt").write_text(told)
    trial: Any = SimpleNamespace(config={"trial": 0}, error_file=str(folder / "error.txt"))
    StateScheduler(state, deaths).on_trial_error(None, trial)


@pytest.fixture
def _a_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_hooks, "logs_folder", lambda: tmp_path)
    monkeypatch.setattr(ray_hooks, "dead_server", lambda: None)


@pytest.mark.usefixtures("_a_ray")
def test_a_dead_worker_is_told_of_with_its_cause_and_fails_no_trial(state: SweepState, tmp_path: Path) -> None:
    state.draw()
    told: list[Any] = []
    dies(state, Deaths(state, lambda *death: told.append(death)), tmp_path, "Failure # 1\n  File x\nImportError: y\n")
    assert told == [(0, "ImportError: y", 1)]
    assert state.trials[0].state == "running"


@pytest.mark.usefixtures("_a_ray")
def test_a_worker_that_dies_after_its_trial_has_ended_is_not_told_of(state: SweepState, tmp_path: Path) -> None:
    state.draw()
    run(state, 0)
    dies(state, Deaths(state, lambda *_: pytest.fail("told")), tmp_path, "killed")


def test_a_worker_that_dies_with_rays_server_counts_for_no_trial(
    state: SweepState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.draw()
    monkeypatch.setattr(ray_hooks, "dead_server", lambda: "raylet (killed by signal 9)")
    deaths = Deaths(state, lambda *_: pytest.fail("told"))
    with pytest.raises(RayDied, match="raylet"):
        dies(state, deaths, tmp_path, "killed")
    with pytest.raises(RayDied, match="raylet"):
        Pulse(deaths).on_step_begin(1, [])


def test_what_every_trial_would_meet_stops_the_sweep_and_fails_no_trial(state: SweepState) -> None:
    state.draw()
    with pytest.raises(Aborted, match="make room and continue the sweep"):
        decided(state, result(sweep_stops="x: cannot be written (…); make room and continue the sweep"))
    assert state.trials[0].state == "running"


def test_a_failure_of_the_training_is_a_result_and_stops_the_trial(state: SweepState) -> None:
    state.draw()
    assert decided(state, result(failed="epoch 1: loss is not a number")) == TrialScheduler.STOP
    assert (state.trials[0].state, state.trials[0].cause) == ("failed", "epoch 1: loss is not a number")


def test_epochs_given_again_after_a_restart_let_the_trial_go_on(state: SweepState) -> None:
    state.draw()
    for _ in range(3):
        assert decided(state, result(epoch=1, **{f"metrics/{EER}": 0.5})) == TrialScheduler.CONTINUE
    assert state.trials[0].epoch == 1
