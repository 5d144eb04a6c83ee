"""What `verify` says of two photographs, for people and for machines."""

from typing import TYPE_CHECKING, Any

from twinverify.serving.facts import Facts
from twinverify.serving.words import percent, rule, with_interval

if TYPE_CHECKING:
    from twinverify.serving.model import Verdict


def as_lines(verdict: "Verdict", facts: Facts) -> list[str]:
    """Give the verdict in lines."""
    point, data = facts.operating_point, facts.data
    shares = [
        f"{percent(share) if share else 'none'} of the {number} {kind} pairs"
        for share, number, kind in (
            (verdict.unrelated_share, data.unrelated_scores, "unrelated"),
            (verdict.twin_share, data.twin_scores, "twin"),
        )
        if share is not None
    ]
    return [
        f"score      {verdict.score:.6f}",
        f"decision   {verdict.decision}",
        f"threshold  {verdict.threshold:.6f}, {rule(point)}",
        "at the threshold, on the validation families:",
        f"  unrelated people taken for one person  {with_interval(point.unrelated_fmr)}",
        f"  twins taken for one person             {with_interval(point.twin_fmr)}",
        f"  one person taken for two               {with_interval(point.fnmr)}",
        f"at least this score, in the validation: {', '.join(shares)}",
    ]


def as_json(verdict: "Verdict", facts: Facts) -> dict[str, Any]:
    """Give the verdict with what it rests on, JSON types only."""
    return {
        "score": verdict.score,
        "decision": verdict.decision,
        "operating_point": facts.operating_point.model_dump(mode="json"),
        "share_of_validation_pairs_reaching_the_score": {
            "unrelated": verdict.unrelated_share,
            "twin": verdict.twin_share,
        },
        "model": facts.sweep.model_dump(mode="json"),
    }
