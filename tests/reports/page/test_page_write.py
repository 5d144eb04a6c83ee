"""The page of sweeps in every state."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from made_up_scores import scores_of

from twinverify.errors import UserError
from twinverify.reports.page.write import make_page, write_page
from twinverify.search.lock import locked
from twinverify.training.names import SCORES

FULL = [0.4, 0.3, 0.35, 0.33]
SHAPES = {
    "no trial": [],
    "one trial": [("completed", FULL, None)],
    "one that runs": [("running", [], None)],
    "none finished": [("running", [0.4], None), ("running", [0.5, 0.4], None)],
    "all failed": [("failed", [], None), ("failed", [0.4], None)],
    "one value for all": [("completed", [0.5] * 4, None)] * 12,
    "all stopped but the default": [("completed", FULL, None)] + [("pruned", [0.6], None)] * 12,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_page_is_written_whatever_there_is_to_tell(written: Callable[..., Path], shape: str) -> None:
    folder = written(SHAPES[shape])
    path = write_page(folder)
    text = path.read_text(encoding="utf-8")
    assert path == folder / "report.html"
    assert text.startswith("<!doctype html>")
    drawn = re.findall(r'data-figure="figure-(\w+)"', text)
    has_values = shape not in ("no trial", "one that runs", "all failed")
    assert ("history" in drawn) == has_values
    for name in ("history", "learning", "timeline", "importance", "slice", "contour", "parallel", "det_twin", "scores"):
        section = text[text.index(f'<figure id="{name}"') :]
        section = section[: section.index("</figure>")]
        assert (name in drawn) != ('class="nothing"' in section), name


def test_a_sweep_without_twins_is_told_by_its_own_objective(written: Callable[..., Path]) -> None:
    stories = [("completed", [0.2, 0.1, 0.1, 0.1], None), ("completed", [0.3] * 4, None)]
    text = write_page(written(stories, objective="val/general_eer")).read_text(encoding="utf-8")
    assert "Best: trial 0, val/general_eer 0.1000" in text


def test_three_hundred_trials_take_seconds_and_few_megabytes(written: Callable[..., Path]) -> None:
    folder = written([("pruned" if number % 3 else "completed", [0.4, 0.3], None) for number in range(300)])
    began = time.process_time()
    path = write_page(folder)
    assert time.process_time() - began < 30
    assert path.stat().st_size < 8e6


def test_the_curves_are_those_of_the_best_and_of_the_default(written: Callable[..., Path]) -> None:
    folder = written([("completed", [value] * 4, None) for value in (0.4, 0.3, 0.1)])
    for number in range(3):
        (folder / f"{number:05d}").mkdir()
        scores_of(twins=0.45 - 0.1 * number).save(folder / f"{number:05d}" / SCORES)
    drawn = make_page(folder).figures
    for name in ("roc_twin", "det_twin", "roc_general", "det_general"):
        lines = {each.name for each in drawn[name].data if each.line.width and each.line.width > 2}
        assert lines == {"best (trial 2)", "default"}, name
    assert "scores" in drawn


def test_a_running_sweep_can_be_looked_at_and_says_so(written: Callable[..., Path]) -> None:
    folder = written([("completed", FULL, None), ("running", [0.4], None)])
    with locked(folder):
        text = write_page(folder).read_text(encoding="utf-8")
    assert "The sweep is running: 1 trial of 2 is still to end." in text


def test_nothing_but_the_page_is_written(written: Callable[..., Path]) -> None:
    folder = written([("completed", FULL, None), ("running", [0.4], None)])
    with (folder / "journal.jsonl").open("a") as journal:
        journal.write('{"event": "repo')  # being written this moment
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    write_page(folder)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.name != "report.html"}
    assert after == before


def test_the_figures_are_those_of_the_page(written: Callable[..., Path]) -> None:
    folder = written([("completed", FULL, None)] * 3)
    text = write_page(folder).read_text(encoding="utf-8")
    assert set(make_page(folder).figures) == set(re.findall(r'data-figure="figure-(\w+)"', text))
    assert {"history", "learning", "timeline"} <= set(make_page(folder).figures)


def test_whose_picture_failed_is_told_nobody(written: Callable[..., Path]) -> None:
    folder = written([("failed", [], None)] * 2, cause="OSError: /data/nd_twins/90004/90004d13.jpg: truncated")
    text = write_page(folder).read_text(encoding="utf-8")
    assert "the first: OSError; the rest stands in error.txt" in text
    assert "90004" not in text.split("<main>")[1].split('id="looks"')[0]


def test_a_folder_without_a_sweep_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        write_page(tmp_path)
    assert "\n" not in str(refused.value)
