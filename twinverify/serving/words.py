"""A model's figures in words, for its card and for `verify`."""

from twinverify.serving.facts import WANTED_FMRS, OperatingPoint, Rate


def percent(value: float) -> str:
    """Give a share in per cent, with the digits that it has: `0.04 %`, `3.1 %`, `62 %`."""
    shown = 100 * value
    digits = 0 if shown >= 10 or shown == 0 else 1 if shown >= 1 else 2
    return "under 0.01 %" if 0 < shown < 0.005 else f"{shown:.{digits}f} %"


def with_interval(rate: Rate | None) -> str:
    """Give a rate in per cent with its interval, where there is one."""
    if rate is None:
        return "not known: no such pairs in the validation"
    if rate.low is None or rate.high is None:
        return f"{percent(rate.value)} (too few families for an interval)"
    return f"{percent(rate.value)} (95 %: {percent(rate.low)} to {percent(rate.high)})"


def rule(point: OperatingPoint) -> str:
    """Tell how the threshold was set."""
    if point.rule == "unrelated_fmr":
        least = "" if point.wanted_fmr == WANTED_FMRS[0] else ", the smallest that so few pairs let one set"
        return f"set for a false match rate of {point.wanted_fmr:g} among unrelated people (protocol P5){least}"
    people = "unrelated people" if point.rule == "general_eer" else "twins"
    return (
        f"set where the false match rate of {people} equals the false non-match rate, since under 100 pairs of"
        " unrelated people leave no smaller false match rate to be set"
    )
