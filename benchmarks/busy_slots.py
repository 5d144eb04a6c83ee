"""Claim: from a sweep's first report to its last, at least 95 % of the slots' time is training or validation.

    python benchmarks/busy_slots.py [trials=24] [epochs=6] [slots=2] [save=true]     some 20 minutes

Both sides search the learning rate of the preset `tiny` on synthetic twins, by twinverify's own `fit`, each trial on a
core of its own. The peer is `plain_tune.py`: Ray Tune, OptunaSearch, ASHAScheduler and MLflowLoggerCallback; once as it
stands, once with `reuse_actors=True`.

How to read it: `fit` tells how long each epoch took, training and validation, and the MLflow stores that the sides
wrote when it was reported. at work: those seconds as a part of the slots' seconds from the first report to the last.
while there are trials: the same up to the start of the last trial, since at the very end of any sweep a slot has
nothing left to run while another one finishes. What is lost between: the set-up of trials, checkpoints, draws, reports.
"""

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep_overhead import OURS, PLAIN, REUSED, ran, trial_runs  # first: it prepares the environment
from sweep_overhead import Options as Sides

# isort: split
from measuring import lines_up, machine, publish
from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.config import load_config
from twinverify.faces.load import load_data
from twinverify.settings import Settings

SECONDS = {OURS: "system/epoch_seconds", PLAIN: "epoch_seconds", REUSED: "epoch_seconds"}


class Options(Settings):
    """How much to measure."""

    trials: int = Field(24, ge=4, description="trials of a sweep")
    epochs: int = Field(6, ge=2, description="epochs of a full trial")
    slots: int = Field(2, ge=1, description="trials at once, one core each")
    save: bool = Field(False, description="keep the table in benchmarks/figures/")


@dataclass(frozen=True)
class Work:
    """When the slots of a sweep were at work, in seconds: (start, end) of each epoch, and the start of each trial."""

    epochs: Sequence[tuple[float, float]]
    begun: Sequence[float]

    def share(self, slots: int, *, to_the_end: bool = True) -> float:
        """Give the part of the slots' time that was work, from the first report to the last, or to the last trial."""
        first = min(end for _, end in self.epochs)
        last = max(end for _, end in self.epochs) if to_the_end else max(self.begun)
        worked = sum(max(0.0, min(end, last) - max(start, first)) for start, end in self.epochs)
        return worked / (slots * (last - first))


def work(side: str, options: Options, cache: Path) -> Work:
    """Run a side, and read from its store when it worked."""
    sides = Sides(what="real", trials=options.trials, epochs=options.epochs, slots=options.slots)
    with ran(side, sides, cache) as folder:
        client, runs = trial_runs(folder, options.trials)
        histories = [client.get_metric_history(each.info.run_id, SECONDS[side]) for each in runs]
    epochs = [
        [(told.timestamp / 1000 - told.value, told.timestamp / 1000) for told in sorted(history, key=lambda m: m.step)]
        for history in histories
    ]
    return Work([epoch for of_trial in epochs for epoch in of_trial], [of_trial[0][0] for of_trial in epochs])


def main(argv: Sequence[str]) -> int:
    options, _ = parse("busy_slots", Options, argv, summary=__doc__ or "", examples=["trials=12"], configurable=False)
    rows = [["", "at work", "while there are trials", "epochs", "s an epoch"]]
    with tempfile.TemporaryDirectory(prefix="faces-") as cache:
        load_data("synthetic", load_config("tiny"), Path(cache))
        for side in (OURS, REUSED, PLAIN):
            found = work(side, options, Path(cache))
            took = sum(end - start for start, end in found.epochs)
            rows.append(
                [
                    side,
                    f"{found.share(options.slots):.1%}",
                    f"{found.share(options.slots, to_the_end=False):.1%}",
                    str(len(found.epochs)),
                    f"{took / len(found.epochs):.1f}",
                ]
            )
            print("  ".join(rows[-1]), file=sys.stderr)
    title = f"{options.trials} trials of up to {options.epochs} epochs, {options.slots} at once, preset tiny"
    publish("busy_slots", [title, machine("ray", "mlflow", "torch"), "", *lines_up(rows)], save=options.save)
    return 0


if __name__ == "__main__":
    run(main)
