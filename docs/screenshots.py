"""Makes the pictures of ui.md: a sweep on synthetic twins, as its user sees it in the UI and in its report.

    python docs/screenshots.py [sweep=NAME] [tracking=…] [output=tune_runs]        3 minutes of a sweep that is there

Without `sweep` a small one is run in a folder that is gone afterwards. Needs Debian's Chromium, and the test extra.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.settings import Settings
from twinverify.tracking.address import resolve_tracking
from twinverify.tracking.store import find_experiment

DOCS = Path(__file__).resolve().parent
# The browser's tests go the same ways.
sys.path.insert(0, str(DOCS.parent / "tests" / "end_to_end"))
import ui_pages  # noqa: E402
from browser import chromium  # noqa: E402
from ui_command import link, ui  # noqa: E402

SMALL = [
    "synthetic.families=24",
    "synthetic.images=4",
    "batch.people=8",
    "model.depth=2",
    "model.pwca.blocks=2",
    "model.image_size=32",
]


class Options(Settings):
    """What to show."""

    sweep: str | None = Field(None, description="a finished sweep; null = make one")
    tracking: str | None = Field(None, description="the store that it is in, as for ui")
    output: Path = Field(Path("tune_runs"), description="folder of the sweeps")


def main(argv: Sequence[str]) -> int:
    """Make all pictures."""
    prepare()
    options, _ = parse(
        "screenshots",
        Options,
        argv,
        summary="Make the pictures of docs/ui.md.",
        examples=["", "sweep=glca_heads"],
        configurable=False,
    )
    with tempfile.TemporaryDirectory() as made:
        if options.sweep is None:
            options = Options(sweep="glca_heads", tracking=f"{made}/store", output=Path(made) / "runs")
            words = ["space=glca_heads", "trials=12", "epochs=8", f"output={options.output}", f"tracking={made}/store"]
            subprocess.run([sys.executable, "-m", "twinverify.tune", *words, *SMALL], check=True)
        assert options.sweep is not None
        with (
            ui(Path(made), f"tracking={_address(options)}", f"sweep={options.sweep}") as (_, text),
            chromium() as browser,
        ):
            page = ui_pages.open_page(browser)
            _of_the_ui(page, link(text), *_runs(options))
            _of_the_report(page, options.output / options.sweep / "report.html")
    return 0


def _of_the_ui(page: Any, address: str, parent: str, best: str) -> None:
    ui_pages.open_list(page, address)
    _keep(page, "list")
    ui_pages.open_tree(page)
    ui_pages.turn(page)
    _keep(page, "tree")
    ui_pages.open_charts(page, address)
    _keep(page, "parallel")
    page.mouse.move(950, 600)
    page.mouse.wheel(0, 520)
    page.mouse.move(300, 780)
    _keep(page, "curves")
    ui_pages.open_list(page, address)
    ui_pages.compare(page, 6)
    ui_pages.take_metric(page, "val/twin_eer")
    _keep(page, "compare")
    ui_pages.open_run(page, address, parent)
    page.get_by_text("Show more").first.click()
    _keep(page, "sweep")
    page.get_by_text("Logged models (").scroll_into_view_if_needed()
    _keep(page, "model")
    ui_pages.open_run(page, address, parent, "/artifacts")
    ui_pages.open_report(page)
    _keep(page, "artifacts")
    ui_pages.open_run(page, address, best)
    _keep(page, "trial")


def _of_the_report(page: Any, report: Path) -> None:
    page.goto(report.resolve().as_uri())
    _keep(page, "report")
    for section in ("search", "verification"):
        page.locator(f"#{section}").scroll_into_view_if_needed()
        page.evaluate(f"document.getElementById('{section}').scrollIntoView()")
        _keep(page, f"report_{section}")


def _keep(page: Any, name: str) -> None:
    """Keep what is shown once it has come to rest, in 256 colours: a third of the bytes."""
    page.wait_for_timeout(2500)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown.quantize(256, dither=Image.Dither.NONE).save(DOCS / "screenshots" / f"{name}.png", optimize=True)


def _address(options: Options) -> str:
    address = resolve_tracking(options.tracking)
    if address is None or address.startswith("http"):
        raise UserError("tracking: give the store itself; the pictures are taken by a UI of their own")
    return address


def _runs(options: Options) -> tuple[str, str]:
    """Give the ids of the sweep's own run and of its best trial's."""
    client, experiment = find_experiment(_address(options), None)
    runs = client.search_runs([experiment], f"tags.sweep = '{options.sweep}'")
    own = next(each for each in runs if "trial" not in each.data.tags)
    best = next(each for each in runs if each.data.tags.get("trial") == own.data.tags["best_trial"])
    return own.info.run_id, best.info.run_id


if __name__ == "__main__":
    run(main)
