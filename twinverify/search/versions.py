"""The versions of what the last digits of a training depend on, and of what searches; nothing is imported for them."""

import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Final

PACKAGES: Final = (
    "twinverify",
    "torch",
    "torchvision",
    "timm",
    "ray",
    "optuna",
    "mlflow",
    "numpy",
    "scikit-learn",
    "pytorch-metric-learning",
)


def installed_versions() -> dict[str, str]:
    """Give the version of Python and of each package; one that runs without being installed is left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def version_note(then: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Name what has another version than at the start of a sweep, all in one line; None where nothing has."""
    changed = [name for name in then if name in now and then[name] != now[name]]
    if not changed:
        return None
    first, *others = changed
    told = [f"{first} was {then[first]} when this sweep started, now {now[first]}"]
    told += [f"{name} was {then[name]}, now {now[name]}" for name in others]
    return f"{'; '.join(told)}: the rest of the sweep may differ in its last digits"
