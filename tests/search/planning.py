"""What the tests of plans share: a small data set, few synthetic people, and how a test makes a plan."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twinverify.search.files import write_plan
from twinverify.search.plan import SweepPlan
from twinverify.search.rungs import Rungs
from twinverify.search.state import SweepState
from twinverify.search.study import SweepStudy

#: Few synthetic people: a plan draws none of them, but lists them.
FEW: dict[str, Any] = {"synthetic.families": 12, "synthetic.images": 3}

#: Seven pairs of the fourteen people that `faces` draws.
PAIRS = "a,b\n" + "".join(f"p{number:02d},p{number + 1:02d}\n" for number in range(0, 14, 2))

Planned = Callable[..., SweepPlan]


def opened(plan: SweepPlan) -> SweepState:
    """Give the state of a plan's sweep, its plan in the journal."""
    state = SweepState(
        plan.folder,
        SweepStudy(plan.space, "random", plan.options.seed),
        Rungs(plan.config.train.epochs, grace_epochs=1, reduction_factor=3),
        objective=plan.objective,
        epochs=plan.config.train.epochs,
    )
    state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
    return state


def noted(plan: SweepPlan) -> SweepPlan:
    """Have a sweep begun, or gone on with, as the plan says."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    opened(plan).close()
    write_plan(plan)
    return plan


def faces(folder: Path, people: int = 14, images: int = 2) -> Path:
    """Draw a folder of faces, one folder a person."""
    noise = np.random.default_rng(0)
    for person in range(people):
        (folder / f"p{person:02d}").mkdir(parents=True)
        for image in range(images):
            pixels = noise.integers(0, 255, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"p{person:02d}" / f"{image}.png")
    return folder


def everything_below(folder: Path) -> dict[str, tuple[int, int]]:
    found = sorted(folder.rglob("*"))
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}
