"""Names and meaning of the metrics by protocol."""

import numpy as np
import pytest

from twinverify.errors import UserError
from twinverify.verification.objective import higher_is_better
from twinverify.verification.pairs import PairScores
from twinverify.verification.protocols import verification_metrics

NONE = np.empty(0, np.float32)
FAMILY = np.empty(0, np.int64)


def scores(same=NONE, twin=NONE, general=NONE):
    as_scores = (np.asarray(s, np.float32) for s in (same, twin, general))
    return PairScores(*as_scores, same_family=FAMILY, twin_family=FAMILY)


def test_the_two_protocols_never_mix():
    # twins score like the same person, unrelated people far below: only P2 is easy
    metrics = verification_metrics(scores([0.9] * 100, [0.9] * 1000, [0.0] * 10_000))
    assert metrics["twin_eer"] == 0.5
    assert metrics["general_eer"] == 0.0
    assert metrics["twin_auc"] == 0.5
    assert metrics["general_auc"] == 1.0
    assert metrics["twin_tar_at_far_0.01"] == 0.0
    assert metrics["general_tar_at_far_0.001"] == 1.0


def test_with_enough_pairs_every_metric_is_there_with_its_realised_far():
    rng = np.random.default_rng(0)
    metrics = verification_metrics(scores(rng.normal(1, 1, 500), rng.normal(0, 1, 1000), rng.normal(-1, 1, 10_000)))
    for protocol, fars in (("twin", (0.1, 0.01)), ("general", (0.01, 0.001))):
        assert 0 < metrics[f"{protocol}_eer"] < 0.5 < metrics[f"{protocol}_auc"] < 1
        for far in fars:
            assert 0 < metrics[f"{protocol}_tar_at_far_{far}"] < 1
            assert metrics[f"{protocol}_far_{far}"] <= far
    assert len(metrics) == 12


@pytest.mark.parametrize(
    ("given", "protocols"),
    [
        (scores([0.5], NONE, [0.1]), {"general"}),
        (scores([0.5], [0.1], NONE), {"twin"}),
        (scores([0.5], NONE, NONE), set()),
        (scores(NONE, [0.1], [0.1]), set()),
    ],
    ids=["no twins", "one family", "one person", "one image each"],
)
def test_what_cannot_be_estimated_is_left_out(given, protocols):
    metrics = verification_metrics(given)
    assert {name.split("_")[0] for name in metrics} == protocols
    assert all("tar" not in name for name in metrics)  # one negative decides no TAR


@pytest.mark.parametrize(
    ("name", "better"),
    [("val/twin_eer", False), ("twin_auc", True), ("val/general_tar_at_far_0.001", True), ("train/loss", False)],
)
def test_the_direction_of_each_metric_is_known(name, better):
    assert higher_is_better(name) is better


def test_a_metric_that_ranks_nothing_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match=r"val/twin_eerr.*did you mean val/twin_eer\?"):
        higher_is_better("val/twin_eerr")
