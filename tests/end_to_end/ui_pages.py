"""Walks through the UI's pages as a user does; the browser's tests and the pictures of the docs go the same way."""

import re
from typing import Any, Final

#: Milliseconds for a page on a busy machine.
PATIENCE: Final = 60_000
_LEFT: Final = ".ag-pinned-left-cols-container [role=row]"
_NAMES: Final = "[role=gridcell][col-id='attributes.`Run Name`']"


def open_page(browser: Any) -> Any:
    """Give a page of the browser with nothing remembered of earlier visits."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(PATIENCE)
    return page


def go(page: Any, link: str) -> None:
    """Open a link; one that differs from the page's address behind the # alone would load nothing."""
    page.goto("about:blank")
    page.goto(link)


def open_list(page: Any, link: str) -> None:
    """Open the link that `ui` prints, and wait for the rows."""
    go(page, link)
    page.locator(_NAMES, has_text="trial 0").first.wait_for()
    page.locator("[role=columnheader]", has_text="val/twin_eer").first.wait_for()
    page.wait_for_timeout(1500)  # columns take their order and width after the rows are there


def open_tree(page: Any) -> None:
    """Choose the tree in the list's menu of views; it is closed at first."""
    page.get_by_role("button", name=", best first").click()
    page.get_by_role("menuitem", name=", as a tree").first.click()  # this sweep's; below it that of all sweeps
    page.wait_for_url(re.compile("start_time"))
    page.locator(_NAMES).first.get_by_role("button").wait_for()


def turn(page: Any) -> None:
    """Open the closed tree, or close the open one."""
    page.locator(_NAMES).first.get_by_role("button").click()
    page.wait_for_timeout(1000)


def names(page: Any) -> list[str]:
    """Give the runs of the list that are shown, from above."""
    return [str(name) for name in page.locator(f"{_NAMES} a").all_inner_texts()]


def open_charts(page: Any, link: str) -> None:
    """Open the list with its charts beside it."""
    go(page, link + "&compareRunsMode=CHART")
    page.get_by_text("Parallel Coordinates").wait_for()
    page.locator("canvas.foreground").wait_for()
    page.locator(".scatterlayer .trace").first.wait_for()


def compare(page: Any, runs: int) -> None:
    """Select trials of the list, from its second row on (the first is the sweep's own run), and press *Compare*."""
    boxes = page.locator(f"{_LEFT} .ag-selection-checkbox input")
    for number in range(1, runs + 1):
        boxes.nth(number).check(force=True)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url(re.compile("compare-runs"))
    page.locator("text.axis-title").first.wait_for()


def take_metric(page: Any, metric: str) -> None:
    """Have the compared runs' parallel coordinates end in this metric; the UI takes whichever comes first."""
    titles = page.locator("text.axis-title")
    if metric not in titles.all_text_contents():
        page.locator("input[role=combobox]").nth(1).click()
        page.keyboard.type(metric)  # the list holds only what is in sight
        page.get_by_role("option", name=metric, exact=True).or_(page.locator(f"[title='{metric}']")).last.click()
        page.keyboard.press("Escape")
        titles.filter(has_text=metric).wait_for()


def open_run(page: Any, link: str, run: str, tab: str = "") -> None:
    """Open the page of a run, or one of its tabs."""
    go(page, f"{link.partition('/runs?')[0]}/runs/{run}{tab}")
    page.get_by_role("tab", name="Artifacts").wait_for()


def open_report(page: Any) -> None:
    """Open the report among a sweep's artifacts."""
    page.get_by_text("report.html").first.click()
    page.frame_locator("iframe").locator("h1").wait_for()
    page.wait_for_timeout(500)  # Playwright learns of new frames only while it waits
