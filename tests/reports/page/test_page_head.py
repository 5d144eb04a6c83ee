"""The top and the end of the page: verdict, facts, best configuration, commands."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from twinverify.reports.page.head import head, made, verdict
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.told import Sweep
from twinverify.verification.intervals import Interval
from twinverify.verification.ties import Difference

Tell = Callable[..., int]


def test_the_verdict_names_best_and_default_with_their_intervals(judged_by: Callable[..., Sweep], tell: Tell) -> None:
    tell(0.4)
    tell(0.3)
    gain = Difference(-0.1, Interval(-0.21, 0.01), 0.9)
    line = verdict(judged_by({0: Interval(0.35, 0.45), 1: Interval(0.25, 0.36)}, [0], gain))
    assert line.startswith("Best: trial 1, val/twin_eer 0.3000 (95 % interval 0.250 to 0.360) at epoch 1; the default")
    assert "0.4000 (95 % interval 0.350 to 0.450)" in line
    assert line.endswith("-0.1000 (95 % interval -0.210 to +0.010), which may be luck.")


def test_the_verdict_counts_the_other_ties(judged_by: Callable[..., Sweep], tell: Tell) -> None:
    for value in (0.4, 0.3, 0.31, 0.32):
        tell(value)
    assert verdict(judged_by({}, tied=[2, 3])).endswith("2 other trials cannot be told from the best.")


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        ([], "No trial has a result yet."),
        (
            [{"fails": "KeyError: '90004'"}, {"fails": "too"}],
            "All 2 trials failed; the first: KeyError; the rest stands",
        ),
        ([{"values": [0.3]}, {"values": [0.4]}], "the default configuration; no trial did better."),
        ([{"fails": "out of memory"}, {"values": [0.4]}], "the default configuration failed."),
        ([{}, {"values": [0.4]}], "the default configuration has no result yet."),
    ],
)
def test_the_verdict_says_what_there_is_to_say(sweep: Sweep, tell: Tell, trials: list[dict], words: str) -> None:
    for trial in trials:
        tell(*trial.get("values", []), fails=trial.get("fails"))
    assert words in verdict(sweep)


def test_the_best_configuration_marks_what_differs(sweep: Sweep, tell: Tell) -> None:
    tell(0.4)
    tell(0.3)
    lines = head(sweep).best_yaml
    drawn = sweep.trials[1].values
    changed = [line.text.split(":")[0].strip() for line in lines if line.differs]
    default = sweep.trials[0].values
    assert set(changed) == {key.rsplit(".", 1)[-1] for key in drawn if drawn[key] != default.get(key, drawn[key])}
    assert any(line.text == "model:" and not line.differs for line in lines)


def test_the_commands_work_in_the_projects_folder_and_name_no_machine(written: Callable[..., Path]) -> None:
    folder = written([("completed", [0.4] * 4, None), ("completed", [0.3] * 4, None)])
    commands = dict(head(sweep_in(folder)).commands)
    assert "python -m twinverify.train config=tune_runs/heads/best.yaml" in commands.values()
    assert "python -m twinverify.confirm heads" in commands.values()
    assert "python -m twinverify.ui sweep=heads" in commands.values()
    assert not any(str(folder.parent.parent) in command for command in commands.values())


def test_a_sweep_that_is_not_finished_says_so_and_how_to_go_on(written: Callable[..., Path]) -> None:
    top = head(sweep_in(written([("completed", [0.4] * 4, None), ("running", [0.3], None)])))
    assert "1 trial of 2 is still to end" in top.notes[0]
    assert dict(top.commands)["Continue the sweep"] == "python -m twinverify.tune resume=heads"


def test_a_tracking_address_is_not_passed_on(written: Callable[..., Path]) -> None:
    folder = written([("completed", [0.4] * 4, None)], tracking="http://eva:secret@host:5000")
    commands = dict(head(sweep_in(folder)).commands)
    assert "python -m twinverify.ui sweep=heads tracking=ADDRESS" in commands.values()


def test_untracked_sweeps_offer_no_ui(written: Callable[..., Path]) -> None:
    top = head(sweep_in(written([("completed", [0.4] * 4, None)], tracking="off")))
    assert not any("twinverify.ui" in command for _, command in top.commands)


def test_the_facts_count_the_states(sweep: Sweep, tell: Tell) -> None:
    tell(0.4, 0.4, 0.4, 0.4)
    tell(0.3)
    tell(fails="broken")
    assert dict(head(sweep).facts)["trials"] == "3 of 40 drawn: 1 completed, 1 running, 1 failed"


def test_the_end_names_journal_and_seeds_but_no_machine(written: Callable[..., Path]) -> None:
    folder = written([("completed", [0.4] * 4, None)])
    facts = dict(made(sweep_in(folder), datetime(2026, 11, 23, 18, 5, tzinfo=UTC)))
    assert facts["journal"].startswith("6 events, sha256 ")
    assert "2026-11-23 18:05 UTC" in facts["page made"]
    assert "plotly" in facts["with"]
    assert str(folder.parent) not in " ".join(facts.values())
