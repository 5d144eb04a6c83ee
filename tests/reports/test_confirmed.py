from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from twinverify.reports.confirmed import confirmation_table, confirmation_verdict, sealed_table
from twinverify.search.confirm.chosen import Chosen
from twinverify.search.confirm.register import Opening
from twinverify.search.confirm.result import Confirmed
from twinverify.search.confirm.stored_test import StoredConfiguration, StoredFigure, StoredTest
from twinverify.verification.selection import select

VALUES = ((0.35, 0.36, 0.34), (0.31, 0.30, 0.32), (0.33, None, 0.34), (0.34, 0.33, 0.35))


def confirmed(values: tuple[tuple[float | None, ...], ...] = VALUES, objective: str = "val/twin_eer") -> Confirmed:
    chosen = tuple(
        Chosen(trial, {"model.glca.heads": heads}) for trial, heads in zip((0, 7, 3, 5), (3, 1, 2, 6), strict=True)
    )
    confirmation: Any = SimpleNamespace(chosen=chosen, seeds=(1, 2, 3), of=SimpleNamespace(name="glca"))
    places = tuple(place for place, each in enumerate(values) if None not in each)
    paired = np.array([values[place] for place in places], np.float64).T
    return Confirmed(confirmation, objective, values, places, select(objective, paired, 0.2))


def drawn(table: Any, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()


def rows(lines: list[str]) -> list[list[str]]:
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    return [row for row in cells if row[0]]


def test_the_best_mean_stands_first_and_what_failed_last():
    found = rows(drawn(confirmation_table(confirmed(), width=140), 140))
    assert [row[0] for row in found] == ["7", "5", "0 (default)", "3"]
    assert found[0][1:2] + found[0][3:4] == ["0.3100", "-0.0400"]
    assert found[2][3] == ""
    assert found[3][1] == "failed"
    assert "0.330 failed 0.340" in found[3]


def test_of_an_auc_the_highest_stands_first():
    found = rows(drawn(confirmation_table(confirmed(objective="val/twin_auc"), width=140), 140))
    assert found[0][0] == "0 (default)"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_is_cut_off(width: int):
    lines = drawn(confirmation_table(confirmed(), width=width), width)
    assert "…" not in "".join(lines)
    assert max(map(len, lines)) <= width


def test_the_verdict_names_the_winner_its_chance_and_its_loss():
    found = confirmed()
    line = confirmation_verdict(found)
    assert "Winner: trial 7" in line
    assert f"{found.selection.chances[1]:.2f}" in line
    assert f"expected loss from this selection {found.selection.expected_loss:.4f}" in line


def test_a_winning_default_is_called_so():
    values = ((0.1, 0.11, 0.1), (0.3, 0.3, 0.31), (0.3, 0.31, 0.31), (0.4, 0.4, 0.41))
    assert "Winner: the default configuration" in confirmation_verdict(confirmed(values))


def result(number: int = 1, with_default: bool = True) -> StoredTest:
    opening = Opening(
        **{"number": number, "opened": "2026-11-24", "sweep": "glca", "sweep_id": "x", "winner": "w", "default": "d"},
        **{"version": "0.3.0", "result": "r"},
    )
    figure = StoredFigure(value=0.3125, interval=(0.25, 0.375), sd_over_seeds=0.01)
    figures = dict.fromkeys(("twin_eer", "general_tar_at_far_0.1", "fnmr_at_fmr_0.01"), figure)
    folds = {"mean": 0.75, "sd": 0.0625, "folds": 10}
    winner = StoredConfiguration(trial=7, digest="w", settings={}, figures=figures, fold_accuracy=folds)
    default = winner.model_copy(update={"trial": 0, "fold_accuracy": None})
    gain = {"twin_eer": StoredFigure(value=-0.0312, interval=(-0.0625, 0.0))} if with_default else {}
    test: dict[str, int | str] = {"people": 26, "images": 156}
    given = {"winner": winner, "default": default if with_default else None, "less_default": gain}
    return StoredTest(opening=opening, test=test, seeds=[1, 2, 3], **given)


def test_the_sealed_test_shows_each_protocol_with_its_interval():
    lines = drawn(sealed_table(result(), width=140), 140)
    assert "Sealed test (26 people, 156 images, 3 models each)" in lines[0]
    found = rows(lines)
    assert [row[0] for row in found] == ["P1", "P3", "P4", "P5"]
    assert found[0][2:] == ["0.3125", "0.250 to 0.375", "0.3125", "0.250 to 0.375", "-0.0312", "-0.062 to +0.000"]
    assert found[1][2:6] == ["0.7500", "± 0.0625", "not estimable", ""]


def test_a_second_look_is_stamped_as_one():
    assert "OPENING NUMBER 2" in " ".join(drawn(sealed_table(result(2), width=140), 140))
    assert "OPENING" not in " ".join(drawn(sealed_table(result(1), width=140), 140))


def test_a_winning_default_is_shown_alone():
    assert len(rows(drawn(sealed_table(result(with_default=False), width=140), 140))[0]) == 4


@pytest.mark.parametrize("width", [80, 100, 140])
def test_no_figure_of_the_test_is_cut_off(width: int):
    lines = drawn(sealed_table(result(), width=width), width)
    assert "…" not in "".join(lines)
    for text in ("0.3125", "0.250 to 0.375", "-0.0312", "-0.062 to +0.000", "not estimable"):
        assert text in "".join(lines)
