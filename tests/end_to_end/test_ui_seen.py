"""A finished sweep in MLflow's UI, as its user looks at it: one server, one page of one real browser for all tests."""

import io
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import ui_pages
from browser import chromium
from command_line import Sweep, wait_until
from PIL import Image
from ui_command import link, ui


@pytest.fixture(scope="module")
def printed(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("seen")
    with ui(folder, f"tracking={sweep.store.uri}", "sweep=glca_heads", "port=5760") as (_, text):
        yield link(text)


@pytest.fixture(scope="module")
def page(printed: str) -> Iterator[Any]:
    """The page, and a look at what it could not bear, when all tests are through."""
    errors: list[str] = []
    with chromium() as browser:
        opened = ui_pages.open_page(browser)
        opened.on("pageerror", lambda error: errors.append(str(error)))
        yield opened
    assert [error for error in errors if "ResizeObserver" not in error] == []


@pytest.fixture(scope="module")
def parent(sweep: Sweep) -> Any:
    [own] = [run for run in sweep.store.runs() if "trial" not in run.data.tags]
    return own


def coloured(element: Any) -> int:
    """Count the pixels of strong colour: lines, where axes and letters are grey."""
    shown = np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB")).astype(int)
    return int((shown.max(axis=2) - shown.min(axis=2) > 60).sum())


def test_the_list_has_a_column_for_each_drawn_value_and_metric(page: Any, printed: str, sweep: Sweep) -> None:
    ui_pages.open_list(page, printed)

    shown = page.locator("[role=columnheader]").all_inner_texts()
    assert {"val/twin_eer", "val/general_eer", "model.glca.blocks"} <= set(shown)
    assert page.get_by_role("button", name="glca_heads, best first").is_visible()
    # Row 0 is the sweep's own run, or that of a trial which is as good at its last epoch.
    rows = [" ".join(page.locator(f"[role=row][row-index='{row}']").all_inner_texts()) for row in (0, 1)]
    assert str(min(run.data.metrics["val/twin_eer"] for run in sweep.store.trials())) in " ".join(rows)
    # MLflow's assistant, which hands runs to a language model, would lie over the corner.
    assert not any(each.is_visible() for each in page.locator("[data-assistant-ui]").all())


def test_a_sweep_opens_and_closes_over_its_trials(page: Any, printed: str, sweep: Sweep) -> None:
    ui_pages.open_list(page, printed)
    ui_pages.open_tree(page)
    assert ui_pages.names(page) == ["glca_heads"]
    ui_pages.turn(page)
    assert sorted(ui_pages.names(page)[1:]) == [run.info.run_name for run in sweep.store.trials()]
    ui_pages.turn(page)
    assert ui_pages.names(page) == ["glca_heads"]


def test_compare_draws_the_selected_runs_as_parallel_coordinates(page: Any, printed: str) -> None:
    ui_pages.open_list(page, printed)
    ui_pages.compare(page, 4)
    ui_pages.take_metric(page, "val/twin_eer")

    plot = page.locator(".parcoords").first.locator("xpath=ancestor::*[contains(@class, 'js-plotly-plot')]")
    axes = plot.locator("text.axis-title").all_text_contents()
    assert "val/twin_eer" in axes
    assert len([axis for axis in axes if axis.startswith("model.glca.")]) >= 2
    wait_until(lambda: coloured(plot) > 500, 60, "lines between the axes")
    assert page.get_by_text("Comparing 4 Runs").is_visible()


def test_the_charts_beside_the_list_are_parallel_coordinates_and_curves(page: Any, printed: str, sweep: Sweep) -> None:
    ui_pages.open_charts(page, printed)

    parallel = page.locator("canvas.foreground").first.locator("xpath=..")
    wait_until(lambda: coloured(parallel) > 500, 60, "lines between the axes")
    assert {"model.glca.blocks", "val/twin_eer"} <= set(parallel.locator("text").all_text_contents())
    curves = page.locator(".scatterlayer .trace")
    points = "all => all.map(each => each.querySelectorAll('.points path').length)"
    longest = max(len(sweep.store.steps(run, "val/twin_eer")) for run in sweep.store.trials())
    wait_until(lambda: max(curves.evaluate_all(points), default=0) == longest, 60, "a point for each epoch")
    assert page.locator(".scatterlayer path.js-line").count() >= len(sweep.store.trials())


def see_the_data(page: Any, run: Any) -> None:
    """Find one of a run's data sets by its digest; the page names how many more there are."""
    digests = [each.dataset.digest for each in run.inputs.dataset_inputs]
    assert len(digests) == 2
    page.get_by_text(re.compile("|".join(digests))).first.wait_for()
    assert page.get_by_text("+1").first.is_visible()


def test_a_sweeps_page_has_description_dataset_children_and_model(page: Any, printed: str, parent: Any) -> None:
    ui_pages.open_run(page, printed, parent.info.run_id)
    page.get_by_text("Logged models (1)").wait_for()
    page.get_by_text("Show more").first.click()

    cells = page.locator("td").all_inner_texts()
    # All alternatives of a choice in one cell.
    assert "rollout | last_layer | random" in cells
    assert page.get_by_role("link", name="trial 001").is_visible()
    assert page.get_by_role("link", name="best", exact=True).count() == 1
    see_the_data(page, parent)


def test_a_sweeps_artifacts_open_in_the_page(page: Any, printed: str, parent: Any) -> None:
    ui_pages.open_run(page, printed, parent.info.run_id, "/artifacts")
    page.get_by_text("space.yaml").wait_for()
    ui_pages.open_report(page)

    inside = next(frame for frame in page.frames if frame.url.startswith("blob:"))
    assert re.search(r"Best: trial \d+", inside.locator("body").inner_text())


def test_a_trials_page_leads_to_its_sweep_and_has_its_curves(page: Any, printed: str, sweep: Sweep) -> None:
    trial = sweep.store.trials()[1]
    ui_pages.open_run(page, printed, trial.info.run_id)
    page.get_by_role("link", name="glca_heads", exact=True).wait_for()
    assert page.get_by_text("model.glca.blocks").count() >= 1
    see_the_data(page, trial)

    page.get_by_role("tab", name="Model metrics").click()
    page.locator(".scatterlayer .trace .points path").first.wait_for()
