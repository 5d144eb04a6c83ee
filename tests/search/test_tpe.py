"""TPE by kept history draws what Optuna's own draws, to the last digit, whatever became of the trials before."""

import random
import warnings
from typing import Any, cast

import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from twinverify.config import load_config
from twinverify.search import study as study_module
from twinverify.search.space import load_space
from twinverify.search.study import SamplerName, SweepStudy
from twinverify.search.tpe import OPTIONS, History

TINY = load_config("tiny")


def optunas(name: SamplerName, seed: int, history: History) -> BaseSampler:
    """Give Optuna's own sampler, as it stood here before."""
    if name == "random":
        return RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TPESampler(seed=seed, **OPTIONS)


def course(space: str, trials: int, seed: int, slots: int) -> tuple[SweepStudy, list[dict[str, Any]]]:
    """Search with some trials open at a time, that end in any order: completed, pruned, failed, also unreported."""
    study, drawn = SweepStudy(load_space(space, TINY), "tpe", seed), list[dict[str, Any]]()
    chance, still_open = random.Random(seed), dict[int, int]()
    while len(drawn) < trials:
        if len(still_open) < chance.randint(1, slots):
            values = study.draw(len(drawn))
            assert values is not None
            still_open[len(drawn)] = 0
            drawn.append(values)
            continue
        number = chance.choice(list(still_open))
        # In tenths: many are alike, so that order decides.
        value = round(random.Random(str(drawn[number])).random() + chance.random(), 1)
        state = chance.choice(["running", "running", "running", "completed", "pruned", "failed"])
        if state == "running":
            still_open[number] += 1
            study.report(number, still_open[number], value)
        else:
            del still_open[number]
            study.end(number, state, value)
    return study, drawn


@pytest.mark.parametrize(
    ("space", "trials", "seed", "slots"),
    [
        ("glca_heads", 200, 0, 4),
        ("pwca", 100, 2, 1),
        ("losses", 80, 3, 8),
        ("backbone", 100, 4, 2),  # has no more configurations in the end
        ("full", 60, 5, 4),
    ],
)
@pytest.mark.timeout(180)
def test_the_same_is_drawn_as_by_optunas_own_sampler(
    monkeypatch: pytest.MonkeyPatch, space: str, trials: int, seed: int, slots: int
) -> None:
    ours, drawn = course(space, trials, seed, slots)
    monkeypatch.setattr(study_module, "make_sampler", optunas)
    theirs, expected = course(space, trials, seed, slots)
    assert drawn == expected
    # What was thrown away on the way, too.
    assert [trial.params for trial in ours._study.trials] == [trial.params for trial in theirs._study.trials]


def test_the_history_of_a_sweep_that_goes_on_draws_the_same() -> None:
    study, drawn = course("glca_heads", 60, 0, 1)
    again = SweepStudy(load_space("glca_heads", TINY), "tpe", 0)
    for number, (values, trial) in enumerate(zip(drawn, study.trials, strict=True)):
        again.add(number, values)
        for epoch, value in trial.intermediate_values.items():
            again.report(number, epoch, value)
        if trial.state.is_finished():
            state = {"COMPLETE": "completed", "PRUNED": "pruned", "FAIL": "failed"}[trial.state.name]
            again.end(number, state, trial.value)
    assert [again.draw(number) for number in range(60, 64)] == [study.draw(number) for number in range(60, 64)]


def test_a_draw_reads_no_ended_trial_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, and not timed; Optuna's own sampler shows that the counting counts."""
    reads: list[int] = []
    params = FrozenTrial.params.fget
    assert params is not None

    def counted(trial: FrozenTrial) -> dict[str, Any]:
        reads.append(trial.number)
        return cast(dict[str, Any], params(trial))

    def reads_of_a_draw() -> int:
        study, _ = course("optim", 12, 0, 1)
        values = study.trials[1].params
        for number in range(12, 200):
            study.add(number, values)
            study.end(number, "completed", float(number))
        study.draw(200)
        reads.clear()
        study.draw(201)
        return sum(study.trials[number].state.is_finished() for number in reads)

    monkeypatch.setattr(FrozenTrial, "params", property(counted, FrozenTrial.params.fset))
    assert reads_of_a_draw() == 0
    monkeypatch.setattr(study_module, "make_sampler", optunas)
    assert reads_of_a_draw() > 180
