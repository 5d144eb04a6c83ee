"""The figures and words of a page as one HTML file that loads nothing."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import plotly.io
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from twinverify.reports.page.head import Head
from twinverify.reports.page.leaders import Leaders
from twinverify.reports.page.look import DARK, LIGHT
from twinverify.reports.page.told import Hardest, Plot

_PACKAGE: Final = "twinverify.reports.page"
#: What would end a script element, or mean something in HTML, inside a JSON string. Plotly escapes some of it today.
_UNSAFE: Final = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


class Group(NamedTuple):
    """A section of figures."""

    name: str
    title: str
    intro: str
    plots: Sequence[Plot]


def render(head: Head, leaders: Leaders, groups: Sequence[Group], hardest: Hardest, made: list[tuple[str, str]]) -> str:
    """Give the page.

    Its policy lets nothing be loaded, from anywhere, and no script run but the two in it, which it names by their
    digests: whatever a trial's failure or a folder's name may say.
    """
    scripts = [get_plotlyjs(), _asset("page.js")]
    environment = Environment(
        loader=PackageLoader(_PACKAGE, "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        policy=policy(scripts),
        css=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        looks=json_for_html({"light": LIGHT, "dark": DARK}),
        head=head,
        leaders=leaders,
        groups=[group._asdict() | {"plots": [_drawn(plot) for plot in group.plots]} for group in groups],
        hardest=hardest,
        made=made,
        contents=_contents(groups),
    )


def policy(scripts: Sequence[str]) -> str:
    """Give the content security policy of a page with these scripts."""
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    # Plotly writes style attributes, and makes the pictures that it offers to save from blobs.
    rules = ("default-src 'none'", f"script-src {allowed}", "style-src 'unsafe-inline'", "img-src data: blob:")
    return "; ".join((*rules, "base-uri 'none'", "form-action 'none'"))


def json_for_html(value: Any) -> Markup:
    """Give JSON that can stand in a script element, whatever its strings say."""
    return Markup(plotly.io.json.to_json_plotly(value).translate(_UNSAFE))


def _drawn(plot: Plot) -> dict[str, Any]:
    told = plot._asdict()
    made = told.pop("figure")
    if made is None:
        return told | {"json": None}
    layout = {key: value for key, value in made.layout.to_plotly_json().items() if key != "template"}
    # A template that is left out is Plotly's own, so the page names one of its two.
    return told | {"json": json_for_html({"data": made.data, "layout": layout}), "height": made.layout.height}


def _contents(groups: Sequence[Group]) -> list[tuple[str, str]]:
    return [
        ("best", "Best configuration"),
        ("leaderboard", "Leaderboard"),
        *((group.name, group.title) for group in groups),
        ("hardest", "Hardest pairs"),
        ("made", "How this was made"),
    ]


def _asset(name: str) -> str:
    return files(_PACKAGE).joinpath("assets", name).read_text(encoding="utf-8")
