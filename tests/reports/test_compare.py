"""`compare` through its main function: tables, machine formats, and one line for each mistake."""

import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from made_up_scores import scores_of

from twinverify.compare import main
from twinverify.errors import UserError
from twinverify.search.files import TrialFiles, write_best, write_plan
from twinverify.search.options import TuneOptions
from twinverify.search.plan import make_plan
from twinverify.search.state import SweepState
from twinverify.search.sweep import open_state
from twinverify.training.names import SCORES


def make(
    output: Path, name: str, trials: Sequence[Sequence[float]], fails: bool = False, families: int = 12
) -> SweepState:
    """Record a sweep whose trials report these values; with `fails` the last one fails."""
    options = {"space": "glca_heads", "name": name, "output": output, "config": "tiny", "gpus": 0, "epochs": 2}
    plan = make_plan(
        TuneOptions.model_validate(options | {"tracking": "off"}),
        {"synthetic.families": families, "synthetic.images": 3},
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
    assert "Leaderboard of one, two" in out
    assert "one: Best: trial 1, val/twin_eer 0.2500 at epoch 2; the default configuration: 0.3500." in out
    assert "two: Best: trial 0, val/twin_eer 0.1000 at epoch 2: the default configuration; no trial did better." in out
    table = [[cell.strip() for cell in line.split("│")[1:4]] for line in out.splitlines() if line.startswith("│")]
    assert [row for row in table if row[0]] == [
        ["1", "two", "0 (default)"],
        ["2", "one", "1"],
        ["3", "one", "0 (default)"],
        ["4", "one", "2"],
    ]


def test_sweeps_on_other_data_stand_in_tables_of_their_own(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path, "other", [(0.4, 0.3)], families=13)
    shutil.copytree(output / "one", tmp_path / "one")
    assert compared(tmp_path, "one", "other") == 0
    out = capsys.readouterr().out
    titles = [line.strip() for line in out.splitlines() if line.startswith("Leaderboard")]
    assert titles == ["Leaderboard of one", "Leaderboard of other"]


def test_kept_scores_give_intervals_and_ties(output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(shutil.copytree(output / "one", tmp_path / "one"))
    for number, (twins, seed) in enumerate([(0.26, 1), (0.25, 0), (0.48, 2)]):
        scores_of(twins=twins, seed=seed).save(folder / f"{number:05d}" / SCORES)
    assert compared(tmp_path, "one") == 0
    out = capsys.readouterr().out
    table = [[cell.strip() for cell in line.split("│")[1:5]] for line in out.splitlines() if line.startswith("│")]
    table = [row for row in table if row[0]]
    assert [row[:3] for row in table] == [["1", "1", "0.2500"], ["2 ~", "0 (default)", "0.3500"], ["3", "2", "0.5000"]]
    assert all(re.fullmatch(r"0\.\d{3}-0\.\d{3}", row[3]) for row in table)
    assert "~ a paired comparison on the same families cannot tell it from the best" in out
    assert "from which it cannot be told: difference" in out.replace("\n", " ")
    assert compared(tmp_path, "one", "format=json") == 0
    (board,) = json.loads(capsys.readouterr().out)
    assert [(each["trial"], each["tied"]) for each in board["trials"]] == [(1, True), (0, True), (2, False)]
    assert sum(each["chance_of_best"] for each in board["trials"]) == pytest.approx(1)
    low, high = board["trials"][0]["intervals"]["val/general_eer"]
    assert 0 <= low < high < 0.1
    assert compared(tmp_path, "one", "format=csv") == 0
    first = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(first["val/twin_eer_low"]) < 0.11 < float(first["val/twin_eer_high"])


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
        (["one", "faces=true"], "compare: faces=true is for the page; give report=true with it"),
        (["one", "report=true", "check=true"], "compare: report=true writes pages and nothing else; leave check=true"),
        (["one", "report=true", "format=csv"], "compare: report=true writes pages and nothing else; leave format=csv"),
        (["one", "empty", "report=true"], "sweep empty: none of its 0 trials has ended yet; compare it once a trial"),
        (["one", "train.lr=1"], "command line: train.lr is not a setting of compare"),
    ],
)
def test_a_mistake_is_one_line(output: Path, words: list[str], line: str) -> None:
    assert mistake(output, *words).startswith(line.format(output))


def test_a_page_of_each_sweep_is_written_and_its_path_printed(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        shutil.copytree(output / name, tmp_path / name)
    assert compared(tmp_path, "one", "two", "report=true") == 0
    pages = [tmp_path / name / "report.html" for name in ("one", "two")]
    assert capsys.readouterr().out.splitlines() == [str(page) for page in pages]
    assert all(page.read_text().startswith("<!doctype html>") for page in pages)
    assert not (output / "one" / "report.html").exists()


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


def test_of_lost_scores_it_is_told_what_is_not_known(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(output / "one", tmp_path / "one"))
    scores_of(twins=0.3).save(folder / "00000" / SCORES)
    assert compared(tmp_path, "one") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "The scores (scores.npz) of trial 1 are missing or damaged: nothing can be compared with the best" in told


def test_with_few_families_the_missing_interval_is_explained(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(output / "one", tmp_path / "one"))
    for number in range(3):
        scores_of(twins=0.3, families=2).save(folder / f"{number:05d}" / SCORES)
    assert compared(tmp_path, "one") == 0
    assert "(no interval: too few families, or none differs)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("lost", ["gone", "empty"])
def test_a_lost_journal_beside_results_is_told(output: Path, tmp_path: Path, lost: str) -> None:
    folder = Path(shutil.copytree(output / "one", tmp_path / "one"))
    (folder / "journal.jsonl").unlink() if lost == "gone" else (folder / "journal.jsonl").write_bytes(b"")
    assert "tells of no trial, but 3 trial folders beside it have results; restore" in mistake(tmp_path, "one")


@pytest.mark.parametrize("width", [64, 80, 99, 100, 120])
def test_the_drawn_values_have_room_beside_the_intervals(
    output: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(output / "one", tmp_path / "one"))
    for number in range(3):
        scores_of(twins=0.3, seed=number).save(folder / f"{number:05d}" / SCORES)
    monkeypatch.setattr("twinverify.reports.console._WIDTH", width)
    assert compared(tmp_path, "one") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line.startswith("│")) <= width
    drawn = [line.split("│")[-2].strip() for line in lines if line.startswith("│")]
    assert any("local_ratio" in each for each in drawn)
    assert sum("0.3500" in line for line in lines) >= 1
