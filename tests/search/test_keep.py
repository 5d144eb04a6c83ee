"""Which checkpoints stay: those of running trials and of the best few."""

import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from twinverify.errors import UserError
from twinverify.search.files import TrialFiles, trial_folder, write_plan
from twinverify.search.keep import Keeper, kept_ended
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy
from twinverify.training.names import CHECKPOINTS, LOCK

EER = "val/twin_eer"
DROPPED = {"config.yaml", "metrics.jsonl"}
KEPT = DROPPED | {"last.safetensors", "last.json", "best.safetensors", "best.json"}
RUNNING = DROPPED | set(CHECKPOINTS)

Drive = Callable[..., SweepState]


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., SweepPlan]:
    """Give a function that plans the sweep with some options."""

    def plan(**options: int) -> SweepPlan:
        common = {"space": "glca_heads", "output": tmp_path, "config": "tiny", "gpus": 0, "epochs": 2}
        made = make_plan(
            TuneOptions.model_validate(common | options), {"synthetic.families": 12, "synthetic.images": 3}
        )
        write_plan(made)
        return made

    return plan


def opened(plan: SweepPlan) -> SweepState:
    return SweepState(plan.folder, SweepStudy(plan.space, "random", 1), None, objective=EER, epochs=2)


def begin(plan: SweepPlan, state: SweepState) -> int:
    """Draw a trial, and write what its worker would."""
    trial = state.draw()
    assert trial is not None
    folder = trial_folder(plan, trial.number)
    folder.mkdir(exist_ok=True)
    for name in (*CHECKPOINTS, *DROPPED):
        (folder / name).write_text("x")
    return trial.number


def end(state: SweepState, number: int, value: float) -> None:
    state.report(number, 1, {EER: value})
    state.report(number, 2, {EER: value})


def held(plan: SweepPlan) -> dict[int, set[str]]:
    return {int(path.name): {file.name for file in path.iterdir()} for path in plan.folder.glob("0*")}


def test_of_ended_trials_the_best_few_keep_last_and_best_and_the_rest_only_what_people_read(make: Drive) -> None:
    plan = make(keep=2)
    state = opened(plan)
    state.listeners.append(Keeper(plan, state).update)
    for value in (0.5, 0.3, 0.4, 0.2, 0.6):
        end(state, begin(plan, state), value)
    begin(plan, state)
    state.close()
    assert held(plan) == {0: DROPPED, 1: KEPT, 2: DROPPED, 3: KEPT, 4: DROPPED, 5: RUNNING}


@pytest.mark.parametrize("values", list(permutations((0.1, 0.2, 0.3, 0.4))))
def test_in_whatever_order_they_end_the_best_stay(make: Drive, values: tuple[float, ...]) -> None:
    plan = make(keep=2)
    state = opened(plan)
    state.listeners.append(Keeper(plan, state).update)
    for number in [begin(plan, state) for _ in values]:
        end(state, number, values[number])
    state.close()
    assert {number for number, files in held(plan).items() if files == KEPT} == {values.index(0.1), values.index(0.2)}


def test_the_end_of_a_trial_looks_at_those_kept_and_not_at_all_that_ever_ended(
    make: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make(keep=2)
    state = opened(plan)
    keeper = Keeper(plan, state)
    looked_at: list[int] = []
    ranked = state.ranked

    def counting(among: Any = None) -> Any:
        looked_at.append(len(state.trials if among is None else list(among)))
        return ranked(among)

    monkeypatch.setattr(state, "ranked", counting)
    state.listeners.append(keeper.update)
    for value in (0.5, 0.3, 0.3, 0.2, 0.6, 0.1, 0.3):
        end(state, begin(plan, state), value)
        assert keeper._kept == kept_ended(state, 2)
    state.close()
    assert max(looked_at[::2]) == 3


def test_a_running_trial_keeps_all_and_takes_no_place_of_an_ended_one(make: Drive) -> None:
    plan = make(keep=1)
    state = opened(plan)
    state.listeners.append(Keeper(plan, state).update)
    numbers = [begin(plan, state) for _ in range(3)]
    state.report(numbers[0], 1, {EER: 0.1})
    end(state, numbers[1], 0.3)
    end(state, numbers[2], 0.4)
    assert held(plan) == {0: RUNNING, 1: KEPT, 2: DROPPED}
    state.report(numbers[0], 2, {EER: 0.2})
    state.close()
    assert held(plan) == {0: KEPT, 1: DROPPED, 2: DROPPED}


def test_failed_trials_keep_what_tells_of_the_failure_only_however_good_they_were(make: Drive) -> None:
    plan = make(keep=3)
    state = opened(plan)
    state.listeners.append(Keeper(plan, state).update)
    first, second = begin(plan, state), begin(plan, state)
    (trial_folder(plan, first) / "error.txt").write_text("Traceback")
    state.report(first, 1, {EER: 0.01})
    state.fail(first, "out of memory")
    end(state, second, 0.5)
    state.close()
    assert held(plan) == {0: DROPPED | {"error.txt"}, 1: KEPT}


def test_pruned_trials_count_as_ended(make: Drive) -> None:
    class Pruning:
        def stops(self, epoch: int, value: float) -> bool:
            return True

    plan = make(keep=1)
    study = SweepStudy(plan.space, "random", 1)
    state = SweepState(plan.folder, study, Pruning(), objective=EER, epochs=2)
    state.listeners.append(Keeper(plan, state).update)
    end(state, begin(plan, state), 0.4)
    assert state.report(begin(plan, state), 1, {EER: 0.2}) == "pruned"
    state.close()
    assert held(plan) == {0: DROPPED, 1: KEPT}


def test_a_start_does_what_an_interruption_left_undone_and_again_changes_nothing(make: Drive) -> None:
    plan = make(keep=2)
    state = opened(plan)
    for value in (0.5, 0.3, 0.4, 0.2):
        end(state, begin(plan, state), value)
    begin(plan, state)
    (trial_folder(plan, 0) / ".last.safetensors.4711").write_text("half")
    shutil.rmtree(trial_folder(plan, 2))
    for _ in range(2):
        Keeper(plan, state).tidy()
        assert held(plan) == {0: DROPPED, 1: KEPT, 3: KEPT, 4: RUNNING}
    state.close()


@pytest.mark.parametrize(("keep", "stay"), [(1, {3}), (3, {1, 2, 3}), (9, {0, 1, 2, 3})])
def test_the_number_may_change_at_a_new_start(make: Drive, keep: int, stay: set[int]) -> None:
    plan = make(keep=9)
    state = opened(plan)
    for value in (0.5, 0.3, 0.4, 0.2):
        end(state, begin(plan, state), value)
    Keeper(make(keep=keep), state).tidy()
    assert {number for number, files in held(plan).items() if files == KEPT} == stay
    state.close()


def test_it_goes_on_from_what_a_start_found(make: Drive) -> None:
    plan = make(keep=1)
    state = opened(plan)
    end(state, begin(plan, state), 0.4)
    keeper = Keeper(plan, state)
    keeper.tidy()
    state.listeners += [TrialFiles(plan).update, keeper.update]
    end(state, begin(plan, state), 0.3)
    state.close()
    assert held(plan)[0] == DROPPED
    assert held(plan)[1] == KEPT


def test_other_files_are_nobodys_business(make: Drive) -> None:
    plan = make(keep=1)
    state = opened(plan)
    for value in (0.4, 0.3):
        end(state, begin(plan, state), value)
    mine = [
        trial_folder(plan, 0) / "notes.txt",
        trial_folder(plan, 0) / "epoch3.safetensors",
        plan.folder / "last.json",
    ]
    for path in mine:
        path.write_text("x")
    Keeper(plan, state).tidy()
    state.close()
    assert all(path.exists() for path in mine)


def test_a_read_only_disk_is_one_line(make: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make(keep=1)
    state = opened(plan)
    end(state, begin(plan, state), 0.4)

    def read_only(path: Path, **_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(UserError, match=r"previous.safetensors: cannot be written \(Read-only file system\)"):
        Keeper(plan, state).tidy()
    state.close()


def test_the_lock_of_a_killed_worker_goes_at_a_start_but_for_trials_that_still_run(make: Drive) -> None:
    plan = make()
    state = opened(plan)
    ended, running = begin(plan, state), begin(plan, state)
    end(state, ended, 0.1)
    for number in (ended, running):
        (trial_folder(plan, number) / LOCK).touch()
    Keeper(plan, state).tidy()
    assert [(trial_folder(plan, number) / LOCK).exists() for number in (ended, running)] == [False, True]
