"""Histograms of the scores: equal areas, the counted unrelated pairs where they were, the threshold."""

import numpy as np
import pytest
from made_up_scores import scores_of, without_twins
from page_figures import trace

from twinverify.reports.page.histograms import histograms, twin_threshold


@pytest.mark.parametrize(("name", "mean"), [("same person", 0.5), ("twins", 0.3), ("unrelated", 0.0)])
def test_each_kind_has_area_one_around_its_mean(name: str, mean: float) -> None:
    shown = trace(histograms(scores_of(twins=0.3, pairs=200), 3).figure, name)
    edges, heights = np.array(shown.x), np.array(shown.y)[:-1]
    widths = np.diff(edges)
    assert (heights * widths).sum() == pytest.approx(1)
    assert (heights * widths * (edges[:-1] + widths / 2)).sum() == pytest.approx(mean, abs=0.01)


def test_the_legend_counts_the_pairs() -> None:
    figure = histograms(scores_of(twins=0.3), 3).figure
    assert trace(figure, "same person").name == "same person (400 pairs)"
    assert trace(figure, "unrelated").name == "unrelated (1,800)"


def test_the_threshold_lies_where_the_two_errors_are_equal() -> None:
    scores = scores_of(twins=0.3, pairs=400)
    threshold = twin_threshold(scores)
    assert threshold == pytest.approx(0.4, abs=0.01)
    figure = histograms(scores, 3).figure
    assert figure is not None
    assert figure.layout.shapes[0].x0 == threshold


def test_without_twins_there_is_no_threshold_and_no_empty_curve() -> None:
    scores = without_twins(scores_of(twins=0.3))
    assert twin_threshold(scores) is None
    figure = histograms(scores, 0).figure
    assert figure is not None
    assert [each.name for each in figure.data] == ["same person (400 pairs)"]


def test_without_scores_the_reason_stands_there() -> None:
    assert histograms(None, None).why_not == "No scores of the best trial were kept."
