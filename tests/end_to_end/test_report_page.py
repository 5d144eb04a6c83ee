"""The page of a real sweep in a real browser without a network."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from browser import chromium
from command_line import Sweep, call, wait_until
from PIL import Image
from ui_command import link, ui

from twinverify.reports.page.write import write_page

HOSTILE = "</script><script>window.taken = 1</script><img src=x onerror='window.taken = 1'>"


@pytest.fixture(scope="module")
def report(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the finished sweep, to which one more trial was added that failed with a hostile cause."""
    runs = tmp_path_factory.mktemp("report") / "runs"
    shutil.copytree(sweep.folder.parent, runs)
    folder = runs / sweep.folder.name
    with (folder / "journal.jsonl").open("a", encoding="utf-8") as journal:
        for entry in (
            {"event": "drawn", "trial": 8, "values": {"model.glca.blocks": 0}, "time": 1.9e9},
            {"event": "failed", "trial": 8, "cause": HOSTILE, "time": 1.9e9 + 5},
        ):
            journal.write(json.dumps(entry) + "\n")
    return write_page(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


@dataclass
class View:
    """The page as one reader sees it, with what it said and asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def view(browser: Any, report: Path) -> View:
    seen = View(browser.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page())
    seen.page.on("console", lambda message: seen.said.append(message.text))
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.goto(report.as_uri())
    return seen


@pytest.fixture(scope="module")
def seen(browser: Any, report: Path) -> View:
    """The page, opened once: the tests change how it is looked at, nothing in it but the order of a table."""
    return view(browser, report)


def test_it_loads_nothing_says_nothing_and_draws_every_figure(seen: View, report: Path) -> None:
    names = seen.page.eval_on_selector_all("[data-figure]", "all => all.map(each => each.dataset.figure)")
    drawn = seen.page.eval_on_selector_all(
        "[data-figure]", "all => all.map(each => each.querySelectorAll('.main-svg path').length)"
    )
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith("data:")] == [report.as_uri()]
    assert {"figure-history", "figure-learning", "figure-timeline", "figure-parallel"} <= set(names)
    assert min(drawn) >= 5, dict(zip(names, drawn, strict=True))
    assert seen.page.evaluate("window.taken") is None
    assert seen.page.locator("#hardest .faces img").count() >= 8
    loaded = seen.page.eval_on_selector_all("img", "all => all.every(each => each.complete && each.naturalWidth > 0)")
    assert loaded


def test_its_policy_refuses_scripts_and_requests(browser: Any, report: Path) -> None:
    page = view(browser, report).page
    page.evaluate("window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI))")
    page.evaluate("fetch('https://example.org/probe').catch(() => null)")
    page.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.taken = 1'; document.body.append(s)"
    )
    # Playwright's own waiting is an eval, which the policy refuses as well.
    wait_until(lambda: page.evaluate("window.refused.length") >= 2, 30, "both refused")
    assert set(page.evaluate("window.refused")) == {"https://example.org/probe", "inline"}
    assert page.evaluate("window.taken") is None


@pytest.mark.parametrize(("scheme", "paper"), [("light", 255), ("dark", 24)])
def test_it_is_no_blank_page_light_or_dark(seen: View, scheme: str, paper: int) -> None:
    seen.page.emulate_media(color_scheme=scheme)
    shown = np.asarray(Image.open(io.BytesIO(seen.page.locator("#search").screenshot())).convert("L")).astype(int)
    assert abs(np.median(shown) - paper) < 8
    assert (np.abs(shown - paper) > 60).mean() > 0.01
    # The figures follow, not the page around them alone.
    ink = seen.page.locator("#history .xtick text").first.evaluate("each => getComputedStyle(each).fill")
    assert (int(ink.removeprefix("rgb(").split(",")[0]) < 100) == (scheme == "light")


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_nothing_stands_out_of_the_window(seen: View, width: int) -> None:
    seen.page.set_viewport_size({"width": width, "height": 900})
    widest = "Math.max(...[...document.querySelectorAll('.main-svg')].map(each => each.getBoundingClientRect().right))"
    # The figures take their new width a moment later.
    wait_until(lambda: seen.page.evaluate(widest) <= width, 30, "the figures fit the window")
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_leaderboard_is_sorted_by_a_click(seen: View) -> None:
    def trials() -> list[int]:
        cells = "#leaderboard tbody td:nth-child(2)"
        found: list[int] = seen.page.eval_on_selector_all(cells, "all => all.map(each => parseInt(each.innerText))")
        return found

    best_first, head = trials(), seen.page.locator("#leaderboard th", has_text="trial")
    head.click()
    assert trials() == list(range(9))
    head.click()
    assert trials() == list(range(8, -1, -1))
    seen.page.locator("#leaderboard th").first.click()
    assert trials() == best_first
    assert best_first[-1] == 8  # without a rank it stays last


def test_a_sweep_that_has_ended_has_its_page_in_its_folder_and_at_its_run(sweep: Sweep) -> None:
    page = sweep.folder / "report.html"
    assert f"The report:                   {page}" in sweep.finished.out
    [parent] = [run for run in sweep.store.runs() if "trial" not in run.data.tags]
    client, run_id = sweep.store.client, parent.info.run_id
    assert Path(client.download_artifacts(run_id, "report.html")).read_text() == page.read_text()
    names = {Path(each.path).stem for each in client.list_artifacts(run_id, "figures")}
    assert names == set(re.findall(r'data-figure="figure-(\w+)"', page.read_text()))


def test_mlflow_shows_the_page_with_every_figure(browser: Any, sweep: Sweep, tmp_path: Path) -> None:
    [parent] = [run for run in sweep.store.runs() if "trial" not in run.data.tags]
    with ui(tmp_path, f"tracking={sweep.store.uri}", "port=5720") as (_, text):
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        place = f"experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}/artifacts/report.html"
        page.goto(f"{link(text).partition('/#')[0]}/#/{place}")

        def shown() -> list[int]:
            page.wait_for_timeout(200)  # Playwright learns of new frames only while it waits
            inside = [frame for frame in page.frames if frame.url.startswith("blob:")]
            paths = "all => all.map(each => each.querySelectorAll('.main-svg path').length)"
            return inside[0].eval_on_selector_all("[data-figure]", paths) if inside else []

        wait_until(lambda: len(shown()) >= 8 and min(shown()) >= 5, 60, "every figure is drawn")
        page.close()
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} == {"127.0.0.1"}


def test_compare_writes_the_page_anew(sweep: Sweep, report: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(report.parents[1], runs)
    (runs / "glca_heads" / "report.html").unlink()
    done = call("compare", "glca_heads", "report=true", "output=runs", cwd=tmp_path)
    assert (done.status, done.err) == (0, "")
    assert done.out.strip() == str(runs / "glca_heads" / "report.html")
    assert Path(done.out.strip()).stat().st_size > 4e6
