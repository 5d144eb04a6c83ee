"""The synthetic twins behave as real ones do: a small model tells people apart soon, and twins with difficulty."""

import re
from pathlib import Path

from command_line import call


def test_the_preset_for_a_cpu_learns_people_first_and_twins_better_than_chance(tmp_path: Path) -> None:
    done = call("train", "config=tiny", "tracking=off", "cache=cache", "output=out", cwd=tmp_path, timeout=500)
    assert done.status == 0, done.err
    told = " ".join(done.out.split())  # lines are folded at the width of the console
    twin, general = (
        [float(value) for value in re.findall(rf"val/{kind}_eer ([\d.]+)", told)] for kind in ("twin", "general")
    )
    assert len(twin) == len(general) == 10
    assert min(twin) < 0.45
    assert general[-1] < 0.5 * twin[-1]
