"""A replay of the journal: several trials at once, in whatever order they report, killed after any event.

The order of the events is the only freedom. What is drawn and decided next is a function of the journal, so the state
that is made from it stands where the state that was killed stood, and goes on as that one would have.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from state_driver import EER, EPOCHS, Sweep, events, trained

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.search.journal import FILE_NAME, Journal
from twinverify.search.space import load_space
from twinverify.search.state import SweepState
from twinverify.search.study import SamplerName, SweepStudy

SAMPLERS: tuple[SamplerName, ...] = ("tpe", "random", "grid")
SWEEP = {"sweep_id": "a1", "name": "mine", "options": {"trials": 9}}

Step = Callable[[Sweep], Any]


@dataclass
class Course:
    """What happened in a sweep: one step an event, and what was remembered after each."""

    sampler: SamplerName
    stopper: bool
    steps: list[Step]
    remembered: list[str]
    events: list[dict[str, Any]]
    journal: bytes

    def replayed(self, folder: Path, cut: int) -> Sweep:
        (folder / FILE_NAME).write_bytes(self.journal[:cut])
        return Sweep(folder, sampler=self.sampler, stopper=self.stopper)

    def after(self, folder: Path, line: int) -> Sweep:
        """Give the sweep as it is made anew from the first `line` lines."""
        return self.replayed(folder, len(b"".join(self.journal.splitlines(keepends=True)[:line])))


def memory(sweep: Sweep) -> str:
    """Give the whole state as it is now, to the last digit."""
    return repr(sweep.remembered())


def reported(number: int, epoch: int, *, ties: bool) -> Step:
    def step(sweep: Sweep) -> Any:
        metrics = trained(sweep.state.trials[number], epoch)
        # In quarters many trials are alike: at a rung, and for the sampler.
        tied = {name: round(value * 4) / 4 if value == value else value for name, value in metrics.items()}
        return sweep.state.report(number, epoch, tied if ties else metrics)

    return step


def course(folder: Path, picks: list[int], *, sampler: SamplerName, slots: int, ties: bool, stopper: bool) -> Course:
    """Run a sweep in which `picks` decides who comes next: a slot is filled, a worker dies, a trial reports."""
    sweep, steps, remembered = Sweep(folder, sampler=sampler, stopper=stopper), [], []

    def do(step: Step) -> None:
        step(sweep)
        steps.append(step)
        remembered.append(memory(sweep))

    do(lambda sweep: sweep.state.plan(SWEEP, "the space"))
    for pick in picks:
        running = sweep.state.running
        if len(running) < slots and (pick % 2 or not running):
            do(lambda sweep: sweep.state.draw())
            continue
        trial = running[pick % len(running)]
        if pick % 13 == 12:
            do(lambda sweep, number=trial.number: sweep.state.fail(number, "its worker died too often"))
        else:
            do(reported(trial.number, trial.epoch + 1, ties=ties))
    sweep.state.close()
    told = events(folder)
    assert len(told) == len(steps)
    return Course(sampler, stopper, steps, remembered, told, (folder / FILE_NAME).read_bytes())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_whatever_the_order_a_killed_sweep_stands_where_it_stood_and_goes_on_as_it_would_have(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    picks = data.draw(st.lists(st.integers(0, 51), min_size=40, max_size=110), label="who comes next")
    whole = course(
        tmp_path_factory.mktemp("whole"),
        picks,
        sampler=data.draw(st.sampled_from(SAMPLERS), label="sampler"),
        slots=data.draw(st.integers(1, 4), label="slots"),
        ties=data.draw(st.booleans(), label="ties"),
        stopper=data.draw(st.booleans(), label="ASHA"),
    )
    for line in data.draw(st.lists(st.integers(1, len(whole.steps)), min_size=1, max_size=2), label="killed after"):
        folder = tmp_path_factory.mktemp("killed")
        sweep = whole.after(folder, line)
        assert memory(sweep) == whole.remembered[line - 1]
        # The very next draw and decision, and all that follow.
        for step, remembered in zip(whole.steps[line:], whole.remembered[line:], strict=True):
            step(sweep)
            assert memory(sweep) == remembered
        sweep.state.close()
        assert events(folder) == whole.events


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_killed_after_any_event_and_again_after_each_that_follows(tmp_path: Path, sampler: SamplerName) -> None:
    """Three slots taking turns; nothing is ever done by a process that has seen the event before."""
    picks = [(7 * place) % 23 for place in range(90)]
    (tmp_path / "whole").mkdir()
    whole = course(tmp_path / "whole", picks, sampler=sampler, slots=3, ties=True, stopper=True)
    kinds = {event.get("then", event["event"]) for event in whole.events}
    assert kinds >= {"planned", "drawn", "continue", "pruned", "failed"}
    for step, remembered in zip(whole.steps, whole.remembered, strict=True):
        sweep = Sweep(tmp_path, sampler=sampler)
        step(sweep)
        sweep.state.close()
        assert memory(sweep) == remembered
    assert events(tmp_path) == whole.events


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_journal_cut_at_every_byte_is_the_state_after_its_last_whole_line(
    tmp_path: Path, sampler: SamplerName
) -> None:
    whole = course(tmp_path, [1, 0, 0, 1, 3, 0, 12, 5], sampler=sampler, slots=2, ties=False, stopper=True)
    nothing = memory(Sweep(tmp_path / "nowhere", sampler=sampler))
    for cut in range(len(whole.journal) + 1):
        line = whole.journal[:cut].count(b"\n")
        assert memory(whole.replayed(tmp_path, cut)) == [nothing, *whole.remembered][line], f"cut at byte {cut}"


def test_a_grid_that_is_used_up_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    path.write_text("model.glca.fusion: {choice: [sa, concat]}\n")
    space = load_space(path, load_config("tiny"))

    def again() -> SweepState:
        return SweepState(tmp_path, SweepStudy(space, "grid", 0), None, objective=EER, epochs=1)

    for number in (0, 1, 2, None, None):
        state = again()
        trial = state.draw()
        assert (trial and trial.number) == number
        state.close()
    assert [trial.values["model.glca.fusion"] for trial in again().trials] == ["concat", "sa", "concat"]
    assert len(events(tmp_path)) == 3


def test_to_read_a_state_writes_nothing(tmp_path: Path) -> None:
    whole = course(tmp_path, [1, 1, 0, 0], sampler="random", slots=2, ties=False, stopper=True)
    half = whole.journal[:-9]
    sweep = whole.replayed(tmp_path, len(half))
    assert (tmp_path / FILE_NAME).read_bytes() == half
    sweep.state.close()
    Sweep(tmp_path / "nowhere").state.close()
    assert not (tmp_path / "nowhere").exists()


# ---- the plan


def test_the_plan_is_noted_once_and_again_when_something_of_it_changed(tmp_path: Path) -> None:
    longer = SWEEP | {"options": {"trials": 40}}
    for sweep, space, lines in ((SWEEP, "a", 1), (SWEEP, "a", 1), (longer, "a", 2), (longer, "b", 3), (SWEEP, "b", 4)):
        state = Sweep(tmp_path).state
        state.plan(sweep, space)
        state.plan(sweep, space)
        state.close()
        told = events(tmp_path)
        assert len(told) == lines
        assert told[-1] == {"event": "planned", "sweep": sweep, "space": space}


def test_another_sweeps_journal_is_never_taken_for_its_own(tmp_path: Path) -> None:
    """Two starts of one new sweep: the second has planned before the first wrote a line."""
    Sweep(tmp_path).state.plan(SWEEP, "a")
    with pytest.raises(UserError, match="another process has started a sweep here just now; give the command again"):
        Sweep(tmp_path).state.plan(SWEEP | {"sweep_id": "b2"}, "a")
    assert len(events(tmp_path)) == 1


# ---- a journal that cannot be


def lines(folder: Path, *told: tuple[str, int, dict[str, Any]]) -> None:
    journal = Journal(folder)
    for event, trial, facts in told:
        journal.append(event, trial, **facts)
    journal.close()


DRAWN = ("drawn", 0, {"values": {}})
FIRST, SECOND = (("reported", 0, {"epoch": e, "metrics": {EER: 0.5}, "then": "continue"}) for e in (1, 2))


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ([FIRST], 1),
        ([DRAWN, SECOND], 2),
        ([DRAWN, FIRST, DRAWN], 3),
        ([DRAWN, ("drawn", 2, {"values": {}})], 2),
        ([DRAWN, ("failed", 1, {"cause": "x"})], 2),
        ([DRAWN, ("failed", -1, {"cause": "x"})], 2),
        ([DRAWN, ("stopped", 0, {})], 2),
        ([DRAWN, ("reported", 0, {"epoch": 1, "metrics": {"val/twin_eex": 0.5}, "then": "continue"})], 2),
        ([("drawn", 0, {"values": None})], 1),
    ],
    ids=[
        "a report before its draw",
        "an epoch is missing",
        "drawn twice",
        "a draw is missing",
        "fails undrawn",
        "no such number",
        "an unknown event",
        "without the objective",
        "without values",
    ],
)
def test_a_line_that_does_not_follow_from_those_before_it_is_named(
    tmp_path: Path, told: list[tuple[str, int, dict[str, Any]]], line: int
) -> None:
    lines(tmp_path, *told, ("drawn", 7, {"values": {}}))
    with pytest.raises(UserError, match=rf"journal\.jsonl, line {line}: does not follow from the lines before it"):
        Sweep(tmp_path)


def test_a_report_written_twice_takes_nothing_away(tmp_path: Path) -> None:
    """Ctrl-C can come between a line and its effect."""
    (tmp_path / "twice").mkdir()
    ended = ("failed", 0, {"cause": "x"})
    lines(tmp_path, DRAWN, FIRST, SECOND, ended)
    lines(tmp_path / "twice", DRAWN, FIRST, FIRST, SECOND, FIRST, SECOND, ended, ended, SECOND)
    once, twice = Sweep(tmp_path), Sweep(tmp_path / "twice")
    assert memory(twice) == memory(once)
    assert once.state.trials[0].epoch == 2 < EPOCHS
