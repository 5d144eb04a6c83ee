"""The Optuna study of a sweep: its draws are functions of seed, number and history; its trials tell the truth."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from twinverify.config import flatten, load_config, with_values
from twinverify.search.space import Space, load_space
from twinverify.search.study import SamplerName, SweepStudy

TINY = load_config("tiny")
GLCA = load_space("glca_heads", TINY)


def score(values: dict[str, Any]) -> float:
    """Stand in for a training: few blocks and a small share of patches are best."""
    return float(0.2 + 0.1 * values.get("model.glca.blocks", 1) + 0.3 * values.get("model.glca.local_ratio", 0.5))


def searched(
    sampler: SamplerName, seed: int, trials: int, loss: Callable[[dict[str, Any]], float] = score
) -> tuple[SweepStudy, list[dict[str, Any]]]:
    study, drawn = SweepStudy(GLCA, sampler, seed), []
    for number in range(trials):
        values = study.draw(number)
        assert values is not None
        drawn.append(values)
        study.report(number, 1, loss(values))
        study.end(number, "completed", loss(values))
    return study, drawn


def small_space(folder: Path, text: str) -> Space:
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_space(path, TINY)


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_trial_0_is_the_default(sampler: SamplerName) -> None:
    base = flatten(TINY)
    values = SweepStudy(GLCA, sampler, 5).draw(0)
    assert values
    assert values == {key: base[key] for key in values}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_draws_the_same_and_another_seed_others(sampler: SamplerName) -> None:
    _, first = searched(sampler, 1, 12)
    _, again = searched(sampler, 1, 12)
    _, other = searched(sampler, 2, 12)
    assert first == again
    assert first[0] == other[0]
    differ = [a != b for a, b in zip(first[1:], other[1:], strict=True)]
    assert sum(differ) >= 9  # without GLCA blocks nothing else is drawn, so a few are the same


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_trials_of_one_sweep_differ(sampler: SamplerName) -> None:
    _, drawn = searched(sampler, 0, 12)
    ratios = [values["model.glca.local_ratio"] for values in drawn if "model.glca.local_ratio" in values]
    assert len(set(ratios)) == len(ratios)


def test_random_draws_do_not_depend_on_what_was_seen_but_tpe_does() -> None:
    def upside_down(values: dict[str, Any]) -> float:
        return -score(values)

    assert searched("random", 3, 14)[1] == searched("random", 3, 14, upside_down)[1]
    _, up = searched("tpe", 3, 14)
    _, down = searched("tpe", 3, 14, upside_down)
    assert up[:8] == down[:8]  # until it has seen enough, TPE draws at random too
    assert up[9:] != down[9:]


def test_every_draw_is_a_valid_configuration() -> None:
    for values in searched("tpe", 4, 16)[1]:
        config = flatten(with_values(TINY, values))
        assert {key: config[key] for key in values} == values


def test_tpe_finds_better_values_than_it_began_with() -> None:
    losses = [score(values) for values in searched("tpe", 0, 40)[1]]
    early, late = losses[1:9], losses[-16:]
    assert sum(late) / len(late) < sum(early) / len(early) - 0.02
    assert min(late) <= min(early)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_no_configuration_is_drawn_twice_before_all_have_been(tmp_path: Path, sampler: SamplerName) -> None:
    space = small_space(tmp_path, "model.glca.blocks: {int: [0, 3]}\n")
    drawn = searched_in(SweepStudy(space, sampler, 0), 6)
    assert sorted(values["model.glca.blocks"] for values in drawn[:4]) == [0, 1, 2, 3]
    assert all(values in drawn[:4] for values in drawn[4:])


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_repeats_are_drawn_where_they_are_asked_for(tmp_path: Path, sampler: SamplerName) -> None:
    space = small_space(tmp_path, "model.glca.blocks: {int: [0, 3]}\n")
    drawn = [searched_in(SweepStudy(space, sampler, seed, repeats=True), 4) for seed in range(4)]
    assert any(len({str(values) for values in four}) < 4 for four in drawn)


def test_until_a_repeat_comes_up_the_draws_are_the_same_with_repeats_or_without() -> None:
    without, repeating = (searched_in(SweepStudy(GLCA, "tpe", 3, repeats=repeats), 30) for repeats in (False, True))
    first = next(n for n, values in enumerate(repeating) if values in repeating[:n])
    assert without[:first] == repeating[:first]
    assert without[first] != repeating[first]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_thrown_away_leaves_no_trace_in_later_draws(tmp_path: Path, seed: int) -> None:
    text = (
        "model.glca.blocks: {int: [0, 2]}\nmodel.glca.fusion: {choice: [sa, concat], when: {model.glca.blocks: '>1'}}\n"
    )
    space = small_space(tmp_path, text + "train.warmup: {float: [0, 0.1], when: {model.glca.blocks: 2}}\n")
    study, again = SweepStudy(space, "tpe", seed), SweepStudy(space, "tpe", seed)
    drawn = searched_in(study, 16)
    assert len({str(values) for values in drawn}) == 16
    for number, values in enumerate(drawn):
        again.add(number, values)
        again.end(number, "completed", score(values))
    assert len(study.trials) == len(again.trials) == 16
    assert len(study._study.trials) > 16  # something was thrown away
    assert [study.draw(number) for number in (16, 17)] == [again.draw(number) for number in (16, 17)]


def searched_in(study: SweepStudy, trials: int) -> list[dict[str, Any]]:
    drawn = []
    for number in range(trials):
        values = study.draw(number)
        assert values is not None
        drawn.append(values)
        study.end(number, "completed", score(values))
    return drawn


def test_a_grid_gives_the_default_then_every_point_once_then_none(tmp_path: Path) -> None:
    space = small_space(tmp_path, "model.glca.blocks: {int: [0, 1]}\nmodel.glca.fusion: {choice: [sa, concat]}\n")
    study = SweepStudy(space, "grid", 0)
    drawn = [study.draw(number) for number in range(5)]
    assert drawn[1:] == list(space.grid())
    assert len({str(values) for values in drawn[1:]}) == 4
    assert study.draw(5) is None
    assert len(study.trials) == 5


def test_a_grid_goes_on_at_its_place_after_a_restart(tmp_path: Path) -> None:
    space = small_space(tmp_path, "model.glca.blocks: {int: [0, 3]}\n")
    points = list(space.grid())
    study = SweepStudy(space, "grid", 0)
    study.add(0, space.default_values())
    study.add(1, points[0])
    assert [study.draw(number) for number in (2, 3)] == points[1:3]


@pytest.mark.timeout(60)
def test_the_grid_of_the_widest_space_begins_at_once() -> None:
    space = load_space("full", TINY)
    study = SweepStudy(space, "grid", 0)
    first = [study.draw(number) for number in range(4)]
    assert all(first)
    assert first[1] != first[2]


def ends(study: SweepStudy) -> list[tuple[TrialState, float | None, dict[int, float]]]:
    return [(trial.state, trial.value, trial.intermediate_values) for trial in study.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_optuna_is_told_how_each_trial_ended(sampler: SamplerName) -> None:
    study = SweepStudy(GLCA, sampler, 0)
    plans: list[tuple[str, Sequence[float], float | None]] = [
        ("completed", (0.5, 0.3, 0.4), 0.3),
        ("pruned", (0.6, 0.55), 0.55),
        ("failed", (0.2,), 0.2),
        ("failed", (), None),
    ]
    for number, (state, reports, value) in enumerate(plans):
        study.draw(number)
        for epoch, reported in enumerate(reports, 1):
            study.report(number, epoch, reported)
        study.end(number, state, value)
    told = ends(study)
    assert told[0] == (TrialState.COMPLETE, 0.3, {1: 0.5, 2: 0.3, 3: 0.4})
    assert told[1] == (TrialState.PRUNED, 0.55, {1: 0.6, 2: 0.55})
    assert study.trials[1].last_step == 2
    assert told[2] == (TrialState.FAIL, None, {1: 0.2})
    assert told[3] == (TrialState.FAIL, None, {})


@pytest.mark.parametrize("number", [12, 13, 16])
def test_open_trials_are_running_in_optuna_and_no_two_draws_are_the_same(tmp_path: Path, number: int) -> None:
    space = small_space(tmp_path, "train.warmup: {float: [0, 0.1]}\n")
    study = warmed_up(space, 7)
    drawn = [study.draw(place) for place in range(12, number + 1)]
    assert [trial.state for trial in study.trials[12:]] == [TrialState.RUNNING] * len(drawn)
    assert len({str(values) for values in drawn}) == len(drawn)


def test_the_liar_counts_open_trials(tmp_path: Path) -> None:
    space = small_space(tmp_path, "train.warmup: {float: [0, 0.1]}\n")

    def fourth(seed: int, *, still_open: bool) -> Any:
        study = warmed_up(space, seed)
        for number in (12, 13, 14):
            study.draw(number)
            if not still_open:
                study.end(number, "failed", None)  # TPE passes over failed ones
        return study.draw(15)

    seeds = range(8)
    assert [fourth(s, still_open=True) for s in seeds] != [fourth(s, still_open=False) for s in seeds]


@pytest.mark.parametrize("seed", range(6))
def test_a_draw_beside_open_trials_is_the_same_when_the_journal_has_given_them(seed: int) -> None:
    study, _drawn = searched("tpe", seed, 12)
    again, _ = searched("tpe", seed, 12)
    for number in range(12, 16):
        values = study.draw(number)
        assert values is not None
        again.add(number, values)
    assert [study.draw(number) for number in (16, 17)] == [again.draw(number) for number in (16, 17)]


def warmed_up(space: Space, seed: int) -> SweepStudy:
    study = SweepStudy(space, "tpe", seed)
    for number in range(12):
        values = study.draw(number)
        assert values is not None
        study.end(number, "completed", values["train.warmup"])
    return study


def test_trials_given_by_the_journal_stand_as_those_drawn() -> None:
    study, drawn = searched("tpe", 2, 12)
    again = SweepStudy(GLCA, "tpe", 2)
    for number, values in enumerate(drawn):
        again.add(number, values)
        again.report(number, 1, score(values))
        again.end(number, "completed", score(values))
    for mine, theirs in zip(study.trials, again.trials, strict=True):
        assert (mine.params, mine.distributions, mine.value) == (theirs.params, theirs.distributions, theirs.value)
    assert study.draw(12) == again.draw(12)
