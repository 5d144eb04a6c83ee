"""P1 and P2: same person against twin, and same person against unrelated people. Never mixed.

Adding easy negatives to the twins lifts an AUC from .87 to .96 without a better model, so each protocol has its own
ROC and its own names: `twin_*` is P1, `general_*` is P2.
"""

from twinverify.verification.metrics import Roc, auc, eer, roc, tar_at_far
from twinverify.verification.objective import GENERAL_FARS, TWIN_FARS
from twinverify.verification.pairs import PairScores


def verification_metrics(scores: PairScores) -> dict[str, float]:
    """Give EER, AUC and TAR at some FARs of both protocols.

    Args:
        scores: the scores of all image pairs.

    Returns:
        `twin_eer`, `twin_auc`, `twin_tar_at_far_0.1`, `twin_tar_at_far_0.01`, `general_eer`, `general_auc`,
        `general_tar_at_far_0.01`, `general_tar_at_far_0.001`, and beside each TAR the realised FAR (`twin_far_0.01`).
        What cannot be estimated is left out: a TAR where target x negatives < 10; all `twin_*` without twin pairs,
        all `general_*` without unrelated people, everything without a person with two images.
    """
    metrics: dict[str, float] = {}
    if not len(scores.same):
        return metrics
    if len(scores.twin):
        metrics |= _protocol("twin", roc(scores.same, scores.twin), TWIN_FARS)
    if len(scores.general):
        general = roc(scores.same, scores.general, negative_counts=scores.general_counts)
        metrics |= _protocol("general", general, GENERAL_FARS)
    return metrics


def _protocol(name: str, curve: Roc, targets: tuple[float, ...]) -> dict[str, float]:
    metrics = {f"{name}_eer": eer(curve), f"{name}_auc": auc(curve)}
    for target in targets:
        point = tar_at_far(curve, target)
        if point is not None:
            metrics |= {f"{name}_tar_at_far_{target:g}": point.tar, f"{name}_far_{target:g}": point.far}
    return metrics
