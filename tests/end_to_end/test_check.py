"""`compare` through the command line, on a finished sweep that it only reads."""

import json

from command_line import Sweep, call


def test_journal_files_and_mlflow_of_a_finished_sweep_agree(sweep: Sweep) -> None:
    done = call("compare", "glca_heads", "check=true", "output=runs", cwd=sweep.folder.parents[1])
    reports = [line for line in (sweep.folder / "journal.jsonl").read_text().splitlines() if '"reported"' in line]
    told = f"Sweep glca_heads: 8 trials, {len(reports)} reports: journal, files and MLflow agree.\n"
    assert (done.status, done.out, done.err) == (0, told, "")


def test_its_leaderboard_is_shown_again(sweep: Sweep) -> None:
    done = call("compare", "glca_heads", "output=runs", cwd=sweep.folder.parents[1])
    assert (done.status, done.err) == (0, "")
    after = sweep.finished.out.partition("Leaderboard of glca_heads")[2]
    assert done.out.startswith("Leaderboard of glca_heads")
    board = [line for line in done.out.splitlines() if "│" in line]
    assert board
    assert all(line in after for line in board)


def test_machines_read_it_as_json(sweep: Sweep) -> None:
    done = call("compare", "glca_heads", "output=runs", "format=json", cwd=sweep.folder.parents[1])
    (board,) = json.loads(done.out)
    assert [trial["rank"] for trial in board["trials"]] == list(range(1, 9))
    assert board["trials"][0]["metrics"]["val/twin_eer"] == board["trials"][0]["value"]


def test_an_unknown_sweep_is_bad_input(sweep: Sweep) -> None:
    done = call("compare", "glca_head", "output=runs", cwd=sweep.folder.parents[1])
    assert done.status == 2
    assert done.err.startswith("twinverify: sweep glca_head: not in ")
    assert done.err.endswith("; did you mean glca_heads?\n")
    assert done.cpu_seconds < 5
