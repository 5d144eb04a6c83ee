"""Figures in words, and the card that is made of them."""

from pathlib import Path

import pytest
from served_sweep import ServedSweep

from twinverify.config import load_config
from twinverify.serving.card import model_card
from twinverify.serving.facts import OperatingPoint, Rate, read_facts
from twinverify.serving.model import Verdict
from twinverify.serving.told import as_json, as_lines
from twinverify.serving.words import percent, rule, with_interval


@pytest.mark.parametrize(
    ("share", "told"),
    [(0, "0 %"), (0.00001, "under 0.01 %"), (0.0004, "0.04 %"), (0.031, "3.1 %"), (0.618, "62 %"), (1, "100 %")],
)
def test_a_share_has_the_digits_that_it_deserves(share: float, told: str) -> None:
    assert percent(share) == told


def test_what_is_not_known_is_said() -> None:
    assert with_interval(None) == "not known: no such pairs in the validation"
    assert with_interval(Rate(value=0.02)) == "2.0 % (too few families for an interval)"
    assert with_interval(Rate(value=0.02, low=0.01, high=0.3)) == "2.0 % (95 %: 1.0 % to 30 %)"


def test_a_threshold_that_few_pairs_set_is_told_as_such() -> None:
    strict = OperatingPoint(threshold=0.5, rule="unrelated_fmr", wanted_fmr=1e-3, fnmr=Rate(value=0.1))
    assert rule(strict) == "set for a false match rate of 0.001 among unrelated people (protocol P5)"
    assert rule(strict.model_copy(update={"wanted_fmr": 0.1})).endswith("the smallest that so few pairs let one set")
    assert "equals the false non-match rate" in rule(strict.model_copy(update={"rule": "general_eer"}))


def test_the_card_has_the_figures_and_names_nobody(model_folder: Path, finished: ServedSweep) -> None:
    facts, text = read_facts(model_folder), (model_folder / "README.md").read_text()
    assert text == model_card(facts, load_config(model_folder / "config.yaml"))
    point = facts.operating_point
    assert f"{point.threshold:.6f}" in text
    assert with_interval(point.twin_fmr) in text
    eer = facts.metrics["twin_eer"]
    assert eer.low is not None
    assert f"| {eer.value:.4f}, {eer.low:.4f} to {eer.high:.4f} |" in text
    assert f"{facts.data.unrelated_scores} unrelated pairs" in text
    assert "48 people, 192 images and 24 twin pairs" in text
    for chapter in ("How to use it", "The threshold", "How good it is", "What it rests on", "What it is not for"):
        assert f"## {chapter}" in text
    assert str(finished.folder) not in text


def test_verify_tells_both_false_match_rates_and_where_the_score_lies(model_folder: Path) -> None:
    facts = read_facts(model_folder)
    verdict = Verdict(0.9, "same person", facts.operating_point.threshold, 0.0, 0.25)
    text = "\n".join(as_lines(verdict, facts))
    assert f"unrelated people taken for one person  {with_interval(facts.operating_point.unrelated_fmr)}" in text
    assert f"twins taken for one person             {with_interval(facts.operating_point.twin_fmr)}" in text
    told = f"none of the {facts.data.unrelated_scores} unrelated pairs, 25 % of the {facts.data.twin_scores} twin pairs"
    assert told in text
    kept = as_json(verdict, facts)
    assert kept["operating_point"]["twin_fmr"]["value"] == facts.operating_point.twin_fmr.value  # type: ignore[union-attr]
    assert kept["share_of_validation_pairs_reaching_the_score"] == {"unrelated": 0.0, "twin": 0.25}
