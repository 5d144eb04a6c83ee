"""What the drawing of an epoch costs: how often somebody's turn is looked at, whatever that takes in seconds."""

from collections import Counter

import numpy as np
import pytest
from test_sampling import draw, faces

from twinverify.faces import sampling


@pytest.fixture
def looks(monkeypatch):
    """Count those who are put in order: each costs a heap operation or, for the ties, a random number, or both."""
    counts = Counter()
    push, make = sampling.heappush, np.random.default_rng

    class Counted(np.random.Generator):
        def random(self, size=None):
            counts["random"] += 1 if size is None else int(np.prod(size))
            return super().random(size)

    def pushed(heap, item):
        counts["pushed"] += 1
        push(heap, item)

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Counted(make(seed).bit_generator))
    monkeypatch.setattr(sampling, "heappush", pushed)
    return counts


@pytest.mark.parametrize("twin_share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("family", [[1], [2], [1, 3, 2]])
def test_each_draw_looks_at_a_few_people_however_many_there_are(looks, family, twin_share):
    for number in (30, 300, 3000):
        data = faces(np.resize(family, number).tolist(), [10, 4, 7])
        drawn = draw(data, 12, 4, twin_share)
        assert max(looks.values()) < 4 * drawn[:, :, 0].size, number
        looks.clear()
