"""`compare` through its main function: tables, machine formats, and one line for each mistake."""

import csv
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from twinverify.compare import main
from twinverify.errors import UserError
from twinverify.search.files import TrialFiles, write_best, write_plan
from twinverify.search.options import TuneOptions
from twinverify.search.plan import make_plan
from twinverify.search.state import SweepState
from twinverify.search.sweep import open_state


def make(output: Path, name: str, trials: Sequence[Sequence[float]], fails: bool = False) -> SweepState:
    """Record a sweep whose trials report these values; with `fails` the last one fails."""
    options = {"space": "glca_heads", "name": name, "output": output, "config": "tiny", "gpus": 0, "epochs": 2}
    plan = make_plan(
        TuneOptions.model_validate(options | {"tracking": "off"}),
        {"synthetic.families": 12, "synthetic.images": 3},
    )
    write_plan(plan)
    state = open_state(plan)
    state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
    state.listeners.append(TrialFiles(plan).update)
    for number, values in enumerate(trials):
        state.draw()
        for epoch, value in enumerate(values, 1):
            state.report(number, epoch, {"val/twin_eer": value})
    if fails:
        state.fail(len(trials) - 1, "out of memory [bold]")
    write_best(plan, state)
    state.close()
    return state


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweeps in several states."""
    folder = tmp_path_factory.mktemp("runs")
    make(folder, "one", [(0.4, 0.35), (0.3, 0.25), (0.5,)])
    make(folder, "two", [(0.2, 0.1)])
    make(folder, "begun", [(0.4,), ()])
    make(folder, "failed", [()], fails=True)
    make(folder, "empty", [])
    return folder


def compared(output: Path, *words: str) -> int:
    return main([*words, f"output={output}"])


def mistake(output: Path, *words: str) -> str:
    with pytest.raises(UserError) as caught:
        compared(output, *words)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_leaderboard_and_what_was_gained_for_each_sweep(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(output, "one", "two") == 0
    out = capsys.readouterr().out
    assert out.index("Leaderboard of one") < out.index("Leaderboard of two")
    assert "Best: trial 1, val/twin_eer 0.2500 at epoch 2; the default configuration: 0.3500." in out
    assert "0.1000" in out


def test_a_sweep_that_is_named_twice_is_shown_once(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(output, "one", "one") == 0
    assert capsys.readouterr().out.count("Leaderboard") == 1


def test_rows_limits_the_table(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(output, "one", "rows=1")
    assert "0.5000" not in capsys.readouterr().out


def test_machines_get_all_sweeps_in_one_document(output: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(output, "one", "two", "format=json") == 0
    boards = json.loads(capsys.readouterr().out)
    assert [board["sweep"] for board in boards] == ["one", "two"]
    assert [trial["trial"] for trial in boards[0]["trials"]] == [1, 0, 2]
    assert compared(output, "one", "two", "format=csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["sweep"], row["trial"]) for row in rows] == [("one", "1"), ("one", "0"), ("one", "2"), ("two", "0")]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "compare: NAME is missing; sweeps in {}: begun, empty, failed, one, two"),
        (["on"], "sweep on: not in {}; did you mean one?"),
        (["one", "tow"], "sweep tow: not in {}; did you mean two?"),
        (["empty"], "sweep empty: none of its 0 trials has ended yet; compare it once a trial is done"),
        (["begun"], "sweep begun: none of its 2 trials has ended yet; compare it once a trial is done"),
        (["failed"], "sweep failed: all that ended failed (1); the first: out of memory [bold]; compare it once a"),
        (["one", "fromat=json"], "command line: fromat is not a setting of compare; did you mean format?"),
        (["one", "format=xml"], "command line: format is xml; allowed: table | json | csv"),
        (["one", "check"], "command line: 'check': settings are written check=…"),
        (["one", "rows=0"], "command line: rows is 0; allowed: integer (1 or more) or null"),
        (["one", "check=true", "format=csv"], "compare: check=true has no table; leave format=csv out"),
        (["one", "train.lr=1"], "command line: train.lr is not a setting of compare"),
    ],
)
def test_a_mistake_is_one_line(output: Path, words: list[str], line: str) -> None:
    assert mistake(output, *words).startswith(line.format(output))


def test_a_sweep_is_compared_with_itself(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(output, "empty", "check=true") == 0
    assert capsys.readouterr().out == (
        "Sweep empty: 0 trials, 0 reports: journal and files agree (tracking is off: no MLflow runs).\n"
    )
    shutil.copytree(output / "empty", tmp_path / "empty")
    (tmp_path / "empty" / "00000").mkdir()
    assert compared(tmp_path, "empty", "check=true") == 1
    assert "files: 00000: expected folders of 0 trials only, found a folder" in capsys.readouterr().out
    assert compared(tmp_path, "empty", "check=true", "format=json") == 1
    (told,) = json.loads(capsys.readouterr().out)
    assert told["differences"][0]["kind"] == "orphaned"


def test_a_damaged_journal_is_one_line(output: Path, tmp_path: Path) -> None:
    shutil.copytree(output / "one", tmp_path / "one")
    path = tmp_path / "one" / "journal.jsonl"
    path.write_text(path.read_text().replace('"trial":1,"epoch":1', '"trial":1'))
    assert ", line 6: not a journal entry" in mistake(tmp_path, "one")
