"""What stands between Ray Tune and the state, driven by hand: no Ray is started here."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import tune
from ray.tune.error import TuneError
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.ray_run import StateScheduler, StateSearcher, run_trials
from twinverify.search.resources import Resources
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


def searcher(state: SweepState, *, trials: int = 4, slots: int = 2) -> StateSearcher:
    return StateSearcher(state, task, trials=trials, slots=slots)


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
    assert search.suggest("c") == Searcher.FINISHED
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
    assert numbers([search.suggest(name) for name in "abcd"]) == [0, 2, 3, Searcher.FINISHED]
    state.close()


def test_when_it_is_enough_open_trials_are_finished_but_none_is_drawn(tmp_path: Path) -> None:
    before = opened(tmp_path)
    before.draw()
    before.close()
    state = opened(tmp_path)
    search = StateSearcher(state, task, trials=4, slots=2, enough=lambda: True)
    assert numbers([search.suggest("a"), search.suggest("b")]) == [0, Searcher.FINISHED]
    state.close()


def test_however_short_the_time_the_default_is_tried(state: SweepState) -> None:
    search = StateSearcher(state, task, trials=4, slots=2, enough=lambda: True)
    assert numbers([search.suggest("a"), search.suggest("b")]) == [0, Searcher.FINISHED]


def test_when_a_grid_is_used_up_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text("model.glca.blocks: {int: [0, 1]}\n")
    study = SweepStudy(load_space(path, load_config("tiny")), "grid", 0)
    state = SweepState(tmp_path, study, None, objective=EER, epochs=2)
    search = searcher(state, trials=10, slots=10)
    assert numbers([search.suggest(name) for name in "abcd"]) == [0, 1, 2, Searcher.FINISHED]
    state.close()


def test_an_end_that_ray_tells_twice_or_of_a_stranger_changes_nothing(state: SweepState) -> None:
    search = searcher(state, slots=1)
    search.suggest("a")
    run(state, 0)
    for name in ("a", "a", "stranger"):
        search.on_trial_complete(name, {}, error=name != "a")
    assert state.trials[0].state == "completed"


# ---- the scheduler


def result(**told: Any) -> dict[str, Any]:
    return {"training_iteration": 1, "time_total_s": 3.0, "pid": 7, "trial_id": "a", "done": False, **told}


def decided(state: SweepState, told: dict[str, Any], number: int = 0) -> str:
    trial: Any = SimpleNamespace(config={"trial": number})
    return StateScheduler(state, {}).on_trial_result(None, trial, told)


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


def test_a_dead_worker_alone_fails_no_trial_and_giving_up_tells_what_ray_told(state: SweepState) -> None:
    search = searcher(state, slots=1)
    search.suggest("a")
    error = TuneError("Traceback\n  File x\nActorDiedError: the actor died\n")
    trial: Any = SimpleNamespace(config={"trial": 0}, get_error=lambda: error)
    StateScheduler(state, search.deaths).on_trial_error(None, trial)
    assert state.trials[0].state == "running"
    search.on_trial_complete("a", error=True)
    cause = "its worker died too often; the last time: ActorDiedError: the actor died"
    assert (state.trials[0].state, state.trials[0].cause) == ("failed", cause)
    assert numbers([search.suggest("b")]) == [1]


def test_a_full_disk_stops_the_sweep_and_fails_no_trial(state: SweepState) -> None:
    state.draw()
    with pytest.raises(UserError, match=r"No space left.*make room and continue the sweep"):
        decided(state, result(cannot_write="a checkpoint cannot be written (No space left on device)"))
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


# ---- the run


def started(state: SweepState, monkeypatch: pytest.MonkeyPatch, tune_run: Any, trials: int = 4) -> None:
    monkeypatch.setattr(tune, "run", tune_run)
    shares = Resources(cpus=2, gpus=0, cpus_per_trial=1, gpus_per_trial=0, slots=2)
    run_trials(state, task, trials=trials, resources=shares, callbacks=[], enough=lambda: False)


@pytest.mark.parametrize(("trials", "samples"), [(6, 5), (4, 3), (3, 2), (2, 2), (1, 2)])
def test_ray_is_asked_for_what_is_left_open_ones_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trials: int, samples: int
) -> None:
    state, asked = opened(tmp_path), []
    for number in range(3):
        state.draw()
        if number == 0:
            run(state, 0)
    started(state, monkeypatch, lambda *_, **options: asked.append(options["num_samples"]), trials)
    assert asked == [samples]
    state.close()


def test_an_error_of_ours_comes_out_of_ray_as_it_was(state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
    def wraps(*_: Any, **__: Any) -> None:
        try:
            raise UserError("journal.jsonl: cannot be written; make room")
        except UserError:
            raise TuneError("Traceback (most recent call last) …")  # noqa: B904 - as Ray does it

    with pytest.raises(UserError, match="make room"):
        started(state, monkeypatch, wraps)


def test_other_errors_of_ray_stay_what_they_are(state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise TuneError("something else")

    with pytest.raises(TuneError, match="something else"):
        started(state, monkeypatch, fails)


def test_rays_own_folder_is_gone_afterwards(state: SweepState, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []

    def looks(*_: Any, **options: Any) -> None:
        folders.append(Path(options["storage_path"]))
        assert folders[0].is_dir()
        (folders[0] / "left").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        started(state, monkeypatch, looks)
    assert not folders[0].exists()
