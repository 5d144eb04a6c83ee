"""What the documents of the checkout point at is there."""

import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
_ELSEWHERE = {".venv", ".ci-venv", "tune_runs", "mlflow_experiments"}
DOCUMENTS = sorted(
    path.relative_to(REPO).as_posix()
    for path in REPO.rglob("*.md")
    if not any(part in _ELSEWHERE or part.startswith(".") for part in path.relative_to(REPO).parts[:-1])
)


def links(document: Path) -> list[str]:
    """Give the places in the checkout that a document's links and pictures name."""
    targets = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.DOTALL))
    return [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:|#", target)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    document = REPO / name
    assert [target for target in links(document) if not (document.parent / target).exists()] == []


def test_the_page_on_the_ui_shows_every_picture_and_none_is_large() -> None:
    pictures = sorted((REPO / "docs" / "screenshots").glob("*.png"))
    shown = {link for link in links(REPO / "docs" / "ui.md") if link.endswith(".png")}
    assert {f"screenshots/{picture.name}" for picture in pictures} == shown
    assert len(pictures) >= 8
    assert {picture.name: size for picture in pictures if (size := picture.stat().st_size) > 250_000} == {}
