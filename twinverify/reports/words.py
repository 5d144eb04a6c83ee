"""How numbers, times and drawn values read on a screen."""

from collections.abc import Mapping
from typing import Any

from twinverify.verification.intervals import Interval
from twinverify.yaml12 import spelled


def duration(seconds: float) -> str:
    """Give a time as `45 s`, `3:20 min`, `2:05 h` or `1 d 4 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    if whole < 86400:
        return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def value(drawn: Any) -> str:
    """Give a drawn value in few characters: three digits that count."""
    return f"{drawn:.3g}" if isinstance(drawn, float) else spelled(drawn)


def heading(metric: str) -> str:
    """Give a validation metric as a column's heading: `twin EER`, `twin TAR@FAR 0.01`, a word a line."""
    kind, _, measure = metric.removeprefix("val/").partition("_")
    measure = measure.upper().replace("TAR_AT_FAR_", "TAR@FAR\n")
    return f"{kind}\n{measure}" if measure else metric


def rate_interval(interval: Interval | None) -> str:
    """Give the bounds of a rate: `0.281-0.427`; nothing where there are none."""
    return "" if interval is None else f"{interval.low:.3f}-{interval.high:.3f}"


def short_names(keys: list[str]) -> dict[str, str]:
    """Give each dotted key its shortest ending that no other key has: `heads`, or `glca.heads` beside `pwca.heads`."""
    short = {}
    for key in keys:
        parts = key.split(".")
        for length in range(1, len(parts) + 1):
            ending = ".".join(parts[-length:])
            if not any(other != key and f".{other}".endswith(f".{ending}") for other in keys):
                break
        short[key] = ending
    return short


def settings(values: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Give drawn values as one line: `heads 3, local_ratio 0.21`."""
    return ", ".join(f"{names.get(key, key)} {value(drawn)}" for key, drawn in values.items())
