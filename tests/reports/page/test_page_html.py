"""The file itself: nothing is loaded, nothing from outside becomes markup or script."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from made_up_sweep import write_sweep

from twinverify.reports.page.html import json_for_html
from twinverify.reports.page.write import write_page
from twinverify.search.plan import SweepPlan

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028&amp;--><!--"


class Reader(HTMLParser):
    """Takes a page apart as a browser does: elements with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._inside: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = dict(attrs) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.scripts.append((self._inside, data))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


@pytest.fixture(scope="module")
def page(plan: SweepPlan, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """The page of a sweep whose failures tell what an attacker would have them tell."""
    data = f"/data/{HOSTILE.replace('/', '|')}"
    stories = [("completed", [0.4, 0.3, 0.3, 0.3], None), ("failed", [0.2], None), ("completed", [0.2] * 4, None)]
    folder = write_sweep(tmp_path_factory.mktemp("hostile"), plan, stories, cause=f"epoch 1: {HOSTILE}", data=data)
    return Reader(write_page(folder).read_text(encoding="utf-8"))


def test_no_element_comes_from_outside_and_none_loads_anything(page: Reader) -> None:
    assert not [tag for tag, _ in page.elements if tag in ("img", "link", "iframe", "object", "embed", "base", "form")]
    addresses = [
        value
        for _, attributes in page.elements
        for name, value in attributes.items()
        if name in ("src", "href", "srcset", "data", "action", "poster") or name.startswith("on")
    ]
    assert addresses
    assert all(value and value.startswith("#") for value in addresses)


def test_what_was_told_is_shown_letter_by_letter(written: Callable[..., Path]) -> None:
    folder = written([("failed", [], None)], cause="epoch 1: <b>bold</b> & so on")
    text = write_page(folder).read_text(encoding="utf-8")
    assert "the first: epoch 1: &lt;b&gt;bold&lt;/b&gt; &amp; so on" in text
    assert "<b>bold" not in text


def test_only_the_two_scripts_that_the_policy_names_can_run(page: Reader) -> None:
    [policy] = [
        attributes["content"] or ""
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    running = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in running]
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    assert len(running) == 2
    assert allowed == digests
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert "http" not in policy


def test_the_policy_stands_before_anything_that_it_has_to_forbid(page: Reader) -> None:
    tags = [tag for tag, _ in page.elements]
    assert tags[:4] == ["html", "head", "meta", "meta"]
    assert page.elements[3][1]["http-equiv"] == "Content-Security-Policy"


def test_each_figure_is_json_that_its_place_names(page: Reader) -> None:
    blocks = {attributes["id"]: text for attributes, text in page.scripts if attributes.get("type")}
    places = [attributes["data-figure"] for _, attributes in page.elements if "data-figure" in attributes]
    assert "figure-history" in places
    for place in places:
        figure = json.loads(blocks[place])
        assert figure["data"]
        assert "template" not in figure["layout"]
    assert set(json.loads(blocks["looks"])) == {"light", "dark"}


def test_json_survives_the_way_into_the_page() -> None:
    figure = go.Figure(go.Scatter(x=np.array([1.0, np.nan]), y=[1, 2], text=[HOSTILE, "ü"]))
    text = json_for_html({"data": figure.data})
    assert not set("<>&\u2028") & set(text)
    read: Any = json.loads(text)
    assert read["data"][0]["text"] == [HOSTILE, "ü"]
