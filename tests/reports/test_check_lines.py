"""What is told of an audit."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from twinverify.reports.check import check_lines, checks_as_json, progress_bar
from twinverify.search.audit.audit import Audit, Difference


def audit(count: int = 0, **others: Any) -> Audit:
    found = tuple(Difference("files", "lost", f"{n:05d}/config.yaml", "one", "none", n) for n in range(count))
    facts = {"name": "glca_heads", "trials": 12, "reports": 240, "tracked": True, "notes": (), "differences": found}
    return Audit(**(facts | others))


def test_where_nothing_differs_one_line_says_so() -> None:
    assert check_lines(audit()) == ["Sweep glca_heads: 12 trials, 240 reports: journal, files and MLflow agree."]


def test_without_runs_mlflow_is_not_named_among_those_that_agree() -> None:
    (line,) = check_lines(audit(tracked=False, trials=1, reports=1))
    assert line == ("Sweep glca_heads: 1 trial, 1 report: journal and files agree (tracking is off: no MLflow runs).")


def test_notes_come_first() -> None:
    assert check_lines(audit(notes=("It is running.",)))[0] == "It is running."


@pytest.mark.parametrize(("count", "head", "lines"), [(1, "1 difference", 2), (20, "20 differences", 21)])
def test_each_difference_has_a_line(count: int, head: str, lines: int) -> None:
    told = check_lines(audit(count))
    assert told[0] == f"Sweep glca_heads: 12 trials, 240 reports: {head}:"
    assert told[1] == "files: 00000/config.yaml: expected one, found none"
    assert len(told) == lines


def test_of_many_differences_the_first_twenty_are_told() -> None:
    told = check_lines(audit(35))
    assert len(told) == 22
    assert told[-1] == "and 15 more"


def test_json_has_them_all() -> None:
    (told,) = json.loads(checks_as_json([audit(35)]))
    assert told["trials"] == 12
    assert len(told["differences"]) == 35
    assert told["differences"][3] == {
        "place": "files",
        "kind": "lost",
        "what": "00003/config.yaml",
        "expected": "one",
        "found": "none",
        "trial": 3,
    }


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_shown_on_a_terminal_only(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80)
    with progress_bar(console, "glca_heads") as progress:
        progress("Reading files", 3, 12)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert ("glca_heads: Reading files" in told) == terminal
