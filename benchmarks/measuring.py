"""What every benchmark shares: alternating runs, medians with their spread, and a table that says where it was made."""

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median

FIGURES = Path(__file__).parent / "figures"


@dataclass(frozen=True)
class Spread:
    """The median of some measurements, with the smallest and the largest."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Give the spread of `values`."""
        return cls(median(values), min(values), max(values))

    def show(self, form: str = ".2f") -> str:
        """Give it as text: median (smallest to largest)."""
        return f"{self.middle:{form}} ({self.low:{form}} to {self.high:{form}})"


def alternate(sides: Mapping[str, Callable[[], float]], pairs: int) -> dict[str, list[float]]:
    """Measure the sides in turn, A B A B …, so that what else the machine does falls on all of them alike.

    The order turns round after each round: whoever comes second is not always the one that finds caches filled.
    """
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(pairs):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            found[name].append(sides[name]())
    return found


def ratios(of: Sequence[float], to: Sequence[float]) -> Spread:
    """Give the ratio pair by pair: neighbours in time share the machine's mood."""
    return Spread.of([a / b for a, b in zip(of, to, strict=True)])


def lines_up(rows: Sequence[Sequence[str]]) -> list[str]:
    """Give a table as lines: the first row is the head, columns are padded, the first is left-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in rows)
    ]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def machine(*packages: str) -> str:
    """Give date, cores, CPU, GPU where there is one, and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {cores} cores, {_cpu()}{_gpu(packages)}; "
        f"{platform.system()}, Python {platform.python_version()}, {versions}"
    )


def publish(name: str, lines: Sequence[str], *, save: bool) -> None:
    """Print the figures; with `save` keep them in figures/NAME.txt."""
    text = "\n".join(lines)
    print(text)
    if save:
        FIGURES.mkdir(exist_ok=True)
        (FIGURES / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _gpu(packages: Sequence[str]) -> str:
    if "torch" not in packages:
        return ""
    import torch

    return f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
