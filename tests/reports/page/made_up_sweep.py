"""Writes the folder of a sweep as its journal would tell it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twinverify.search.plan import SweepPlan
from twinverify.search.study import SweepStudy

#: A trial: how it ended, its values by epoch, and what it drew (None: the default, then something at random).
Story = tuple[str, Sequence[float], dict[str, Any] | None]


def write_sweep(
    place: Path, plan: SweepPlan, stories: Sequence[Story], *, cause: str = "it broke", **changes: Any
) -> Path:
    """Write `tune_runs/heads` with these trials, an epoch a minute, one after the other.

    Args:
        place: the project's folder.
        plan: what the sweep was started with.
        stories: its trials.
        cause: why trials failed.
        changes: options that differ from the plan's.
    """
    stored = plan.stored()
    options = stored.options.model_copy(update={"trials": max(1, len(stories)), **changes})
    stored = stored.model_copy(update={"options": options, "name": "heads"})
    folder = place / "tune_runs" / "heads"
    folder.mkdir(parents=True)
    at = 1_790_000_000.0
    lines = [{"event": "planned", "sweep": stored.model_dump(mode="json"), "space": plan.space.text, "time": at}]
    study = SweepStudy(plan.space, "random", 0)
    for number, (end, values, given) in enumerate(stories):
        drawn = study.draw(number) if given is None else given
        lines.append({"event": "drawn", "trial": number, "values": drawn, "time": at})
        for epoch, value in enumerate(values, 1):
            at += 60
            then = end if epoch == len(values) and end in ("completed", "pruned") else "continue"
            metrics = {"train/loss": 1.0, options.objective or "val/twin_eer": value}
            told = {"trial": number, "epoch": epoch, "metrics": metrics, "then": then, "time": at}
            lines.append({"event": "reported", **told})
        if end == "failed":
            lines.append({"event": "failed", "trial": number, "cause": cause, "time": at + 1})
    (folder / "journal.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return folder
