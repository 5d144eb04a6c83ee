"""The grid: every combination once, conditional, in a fixed order."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinverify.config import load_config, with_values
from twinverify.search.domains import Range
from twinverify.search.space import load_space

SPACE = """
model.glca.blocks: {int: [0, 2]}
model.glca.fusion: {choice: [concat, sa], when: {model.glca.blocks: ">0"}}
train.lr: {float: [1e-5, 1e-1], log: true}
"""


def test_a_grid_is_every_combination_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE, encoding="utf-8")
    points = list(load_space(path, load_config("tiny")).grid())
    # Without GLCA there is nothing to fuse: 1 x 3 rates, else 2 x 2 fusions x 3 rates.
    assert len(points) == 3 + 2 * 2 * 3
    assert points[0] == {"model.glca.blocks": 0, "train.lr": 1e-5}
    assert [point["train.lr"] for point in points[:3]] == pytest.approx([1e-5, 1e-3, 1e-1])
    assert points[-1] == {"model.glca.blocks": 2, "model.glca.fusion": "sa", "train.lr": 1e-1}


@pytest.mark.parametrize("name", ["glca_heads", "pwca", "losses", "regularise", "full"])
def test_a_projects_grid_is_valid_without_repeats_and_always_the_same(name: str) -> None:
    base = load_config("tiny")
    space = load_space(name, base)
    points = list(itertools.islice(space.grid(2), 500))
    assert points == list(itertools.islice(space.grid(2), 500))
    assert len({json.dumps(point, sort_keys=True) for point in points}) == len(points)
    for point in points:
        with_values(base, point)


@given(st.floats(1e-9, 1e3), st.floats(1e-9, 1e3), st.booleans(), st.integers(1, 9))
def test_points_of_a_range_lie_in_it_with_its_ends_and_rise(a: float, b: float, log: bool, count: int) -> None:
    domain = Range(min(a, b), max(a, b), log=log)
    points = domain.points(count)
    assert all(point in domain for point in points)
    assert list(points) == sorted(set(points))
    assert len(points) <= count
    if count > 1:
        assert (points[0], points[-1]) == (domain.low, domain.high)


@given(st.integers(1, 50), st.integers(0, 50), st.booleans(), st.integers(1, 9))
def test_points_of_whole_numbers_are_whole(low: int, more: int, log: bool, count: int) -> None:
    domain = Range(low, low + more, whole=True, log=log)
    points = domain.points(count)
    assert all(isinstance(point, int) and point in domain for point in points)
    assert len(points) == min(count, more + 1) or log


def test_a_grid_of_no_points_is_refused() -> None:
    with pytest.raises(ValueError, match="points is 0"):
        list(load_space("optim", load_config("tiny")).grid(0))
