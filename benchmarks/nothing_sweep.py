"""Our side of `sweep_overhead.py` where training costs nothing: `twinverify.tune` with another actor, nothing else.

python benchmarks/nothing_sweep.py key=value …    (the keys of `python -m twinverify.tune`)
"""

from collections.abc import Sequence
from typing import Any

from twinverify.environment import prepare

prepare()

from nothing import metrics  # noqa: E402
from ray import tune  # noqa: E402
from rich.console import Console  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.reports.board import Board  # noqa: E402
from twinverify.reports.leaderboard import leaderboard  # noqa: E402
from twinverify.reports.live import LiveTable  # noqa: E402
from twinverify.search.options import TuneOptions  # noqa: E402
from twinverify.search.past import PastSweep  # noqa: E402
from twinverify.search.plan import make_plan  # noqa: E402
from twinverify.search.sweep import run_sweep  # noqa: E402
from twinverify.search.tracked import open_courier  # noqa: E402


class NothingActor(tune.Trainable):
    """Reports made-up metrics at once."""

    def setup(self, config: Any) -> None:
        """Take up a trial."""
        self._lr, self._epoch = config["config"]["train"]["lr"], 0

    def step(self) -> dict[str, Any]:
        """Report one epoch."""
        self._epoch += 1
        return {"epoch": self._epoch, "metrics": metrics(self._lr, self._epoch)}

    def reset_config(self, new_config: Any) -> bool:
        """Take up the next trial in this actor."""
        self.setup(new_config)
        return True


def main(argv: Sequence[str]) -> int:
    options, overrides = parse("tune", TuneOptions, argv, summary=__doc__ or "", examples=[])
    console = Console(width=140)
    plan = make_plan(options, overrides)
    outcome = run_sweep(plan, LiveTable(console), open_courier, NothingActor)
    board = Board([PastSweep(plan.folder, plan.stored(), outcome.state)], {})
    console.print(leaderboard(board, "no training", width=140))
    return 0


if __name__ == "__main__":
    run(main)
