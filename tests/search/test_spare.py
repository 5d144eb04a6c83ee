"""Trials that are let run where they would be stopped: who they are, and that nobody else notices."""

import json
from pathlib import Path
from typing import Any

import pytest
from planning import Planned, noted
from state_driver import EER, EPOCHS, SPACE, events, metrics, trained

from twinverify.errors import UserError
from twinverify.search.journal import FILE_NAME
from twinverify.search.options import TuneOptions
from twinverify.search.planned import StoredSweep
from twinverify.search.rungs import Rungs
from twinverify.search.spare import Spared, spared_by
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

GOOD, BAD = 0.1, 0.9


def open_state(folder: Path, spared: Any) -> tuple[SweepState, Rungs, SweepStudy]:
    rungs = Rungs(EPOCHS, grace_epochs=1, reduction_factor=2)
    study = SweepStudy(SPACE, "tpe", 0)
    return SweepState(folder, study, rungs, objective=EER, epochs=EPOCHS, spared=spared), rungs, study


def run(state: SweepState, trials: int) -> None:
    """Run in one slot, going on with what is open."""
    while state.running or len(state.trials) < trials:
        trial = state.running[0] if state.running else state.draw()
        assert trial is not None
        for epoch in range(1, EPOCHS + 1):
            if state.report(trial.number, epoch, trained(trial, epoch)) != "continue":
                break


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_so_many_are_spared_as_are_to_be_and_always_the_same(share: float) -> None:
    numbers = [number for number in range(4000) if number in Spared(7, share)]
    assert len(numbers) / 4000 == pytest.approx(share, abs=0.02)
    assert numbers == [number for number in range(4000) if number in spared_by(TuneOptions(seed=7, spare=share))]


def test_other_seeds_spare_others_and_a_larger_share_the_same_and_more() -> None:
    first, other = ({number for number in range(400) if number in Spared(seed, 0.2)} for seed in (0, 1))
    assert first != other
    assert first < {number for number in range(400) if number in Spared(0, 0.4)}


def test_a_spared_trial_runs_to_its_end_and_enters_no_later_rung(tmp_path: Path) -> None:
    state, rungs, _ = open_state(tmp_path, {2})
    for number, value in enumerate((0.2, GOOD, BAD)):
        state.draw()
        for epoch in range(1, EPOCHS + 1):
            # Once it is spared it becomes better than all.
            state.report(number, epoch, metrics(value if epoch == 1 or number < 2 else 0.01))
    state.close()
    assert [trial.state for trial in state.trials] == ["completed"] * 3
    assert [trial.spared_at for trial in state.trials] == [None, None, 1]
    assert rungs.values(1) == (GOOD, 0.2, BAD)
    assert rungs.values(2) == rungs.values(4) == (GOOD, 0.2)
    best = state.best()
    assert best is not None
    assert best.trial.number == 2
    marked = [(entry["trial"], entry["epoch"], entry["then"]) for entry in events(tmp_path) if entry.get("spared")]
    assert marked == [(2, 1, "continue")]


def test_the_default_is_no_spared_trial(tmp_path: Path) -> None:
    state, rungs, _ = open_state(tmp_path, Spared(0, 1.0))
    for _ in range(3):
        state.draw()
    for number, value in ((1, GOOD), (2, 0.2), (0, BAD)):
        state.report(number, 1, metrics(value))
    assert state.report(0, 2, metrics(BAD)) == "continue"
    state.close()
    assert state.trials[0].spared_at is None
    assert rungs.values(2) == (BAD,)


def test_the_others_are_judged_as_if_it_had_been_stopped(tmp_path: Path) -> None:
    thens = {}
    for name, spared in (("stopped", ()), ("spared", {2})):
        (tmp_path / name).mkdir()
        state, _, _ = open_state(tmp_path / name, spared)
        for number in range(6):
            state.draw()
            for epoch in range(1, EPOCHS + 1):
                value = BAD if number == 2 and epoch == 1 else 0.001 if number == 2 else 0.3 - 0.02 * number
                if state.report(number, epoch, metrics(value)) != "continue":
                    break
        state.close()
        thens[name] = [(trial.state, trial.epoch) for trial in state.trials if trial.number != 2]
        assert state.trials[2].state == ("completed" if spared else "pruned")
    assert thens["spared"] == thens["stopped"]


def test_after_a_cut_at_any_line_a_sweep_with_spared_trials_goes_on_as_the_uninterrupted_one(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    state, _, _ = open_state(tmp_path / "whole", Spared(1, 0.6))
    run(state, 14)
    state.close()
    told, journal = events(tmp_path / "whole"), (tmp_path / "whole" / FILE_NAME).read_bytes()
    assert sum(bool(entry.get("spared")) for entry in told) >= 3
    assert "pruned" in {trial.state for trial in state.trials}
    cuts = [0, *(place + 1 for place, byte in enumerate(journal) if byte == ord("\n"))]
    for cut in cuts[::5]:
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / FILE_NAME).write_bytes(journal[:cut])
        again, _, _ = open_state(folder, Spared(1, 0.6))
        run(again, 14)
        again.close()
        assert events(folder) == told, f"cut at byte {cut}"
        assert [trial.spared_at for trial in again.trials] == [trial.spared_at for trial in state.trials]


@pytest.mark.parametrize("spare", [-0.1, 1.1])
def test_a_share_is_no_less_than_none_and_no_more_than_all(spare: float) -> None:
    with pytest.raises(ValueError, match="spare"):
        TuneOptions(spare=spare)


def test_nothing_is_said_of_it_where_nobody_is_spared(tmp_path: Path) -> None:
    state, _, _ = open_state(tmp_path, spared_by(TuneOptions(spare=0.0)))
    run(state, 8)
    state.close()
    assert "spared" not in (tmp_path / FILE_NAME).read_text()


#: What is younger than the first sweeps: what it stood for before it was there, and what it is now.
YOUNGER = pytest.mark.parametrize(("option", "before", "now"), [("spare", 0.0, 0.1), ("repeats", True, False)])


@YOUNGER
def test_a_sweep_of_an_older_version_is_read_as_it_was(planned: Planned, option: str, before: Any, now: Any) -> None:
    plan = planned(space="glca_heads")
    told = json.loads(json.dumps(plan.stored().model_dump(mode="json")))
    assert getattr(StoredSweep.model_validate(told).options, option) == getattr(plan.options, option) == now
    del told["options"][option]
    assert getattr(StoredSweep.model_validate(told).options, option) == before


@YOUNGER
def test_a_sweep_of_an_older_version_goes_on_as_it_was_by_either_command(
    planned: Planned, option: str, before: Any, now: Any
) -> None:
    asked = {"space": "glca_heads", "name": "old", "trials": 3}
    plan = noted(planned(**asked))
    path = plan.folder / FILE_NAME
    first = json.loads(path.read_text().splitlines()[0])
    del first["sweep"]["options"][option]
    path.write_text(json.dumps(first) + "\n")
    for again in (planned({}, resume="old"), planned(**asked)):
        assert again.goes_on
        assert getattr(again.options, option) == before
    with pytest.raises(UserError, match=f"{option} was {before}, now {now}"):
        planned({}, resume="old", **{option: now})
