"""The metrics that rank trials, and which of them a search or a training is judged by.

Apart from the metrics themselves: scikit-learn takes over a second to import, and bad input is told without it.
"""

from typing import Final

from twinverify.errors import UserError, did_you_mean

#: FARs at which a TAR is reported, for twins (P1) and for unrelated people (P2).
TWIN_FARS: Final = (0.1, 0.01)
GENERAL_FARS: Final = (0.01, 0.001)

#: A rate is estimable where so many impostor pairs are expected beyond the threshold.
LEAST_BEYOND: Final = 10

DEFAULT_OBJECTIVE: Final = "val/twin_eer"
WITHOUT_TWINS: Final = "val/general_eer"

RANKING_METRICS: Final = tuple(
    f"val/{protocol}_{kind}"
    for protocol, fars in (("twin", TWIN_FARS), ("general", GENERAL_FARS))
    for kind in ("eer", "auc", *(f"tar_at_far_{far:g}" for far in fars))
)


def higher_is_better(name: str) -> bool:
    """Tell whether a metric is to be maximised (AUC, TAR) or minimised (EER, loss).

    Args:
        name: a metric's name, with or without `val/` or `train/`.

    Raises:
        UserError: the metric ranks nothing (a realised FAR, a learning rate).
    """
    short = name.rsplit("/", 1)[-1]
    if short.endswith("_auc") or "_tar_at_far_" in short:
        return True
    if short.endswith("_eer") or short == "loss":
        return False
    raise UserError(f"objective {name}: not a metric that ranks trials; {did_you_mean(name, RANKING_METRICS)}")


def cost(name: str, value: float) -> float:
    """Give a metric's value as a cost: smaller is better."""
    return -value if higher_is_better(name) else value


def least_negatives(name: str) -> int:
    """Give how many impostor pairs a metric needs: one, or for a TAR at a FAR the pairs that make it estimable."""
    _, is_tar, far = name.partition("_tar_at_far_")
    return round(LEAST_BEYOND / float(far)) if is_tar else 1


def choose_objective(asked: str | None, *, has_twins: bool) -> str:
    """Give the metric asked for; by default the twin EER, or the general EER where the validation has no twins.

    Raises:
        UserError: there is no such metric, or it needs twins and there are none.
    """
    if asked is None:
        return DEFAULT_OBJECTIVE if has_twins else WITHOUT_TWINS
    if asked not in RANKING_METRICS:
        raise UserError(f"objective={asked}: not a metric of the validation; {did_you_mean(asked, RANKING_METRICS)}")
    if "twin" in asked and not has_twins:
        raise UserError(f"objective={asked}: there are no twins in the validation families; try {WITHOUT_TWINS}")
    return asked
