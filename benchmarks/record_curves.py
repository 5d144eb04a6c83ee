"""Records the full learning curves of random trials, which `replay.py` replays searches on.

    nice python benchmarks/record_curves.py [spaces=[glca_heads, optim]] [trials=200] [again=8] [minutes=60]

Draws trials of each space at random (trial 0 is the default), trains each to its end by the project's own `fit`, on one
thread, and appends a line a trial to `curves/SPACE.jsonl`: number, seed of the training, drawn values, the twin EER of
the validation and the CPU seconds of each epoch. The first line of a file tells with which settings, and
with which versions it was begun. What is there already is not trained again, so a recording may be interrupted and goes
on by the same command; a changed setting is refused. A configuration that was drawn before is the same training: it is
left out.

Then the first `again` draws are trained once more with another seed: how far the two agree tells how much of a curve
is noise.

The trials are as small as they can be while the settings still matter: 32 px, two blocks of width 64, twins that differ
clearly. Nearly half of the 104 families validate, so that the EER of the twins is not coarse.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from curves import CURVES, Curve, append, known, values_key
from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.config import load_config, with_values
from twinverify.faces.load import Data, load_data
from twinverify.search.space import Space, load_space
from twinverify.search.study import SweepStudy
from twinverify.search.versions import installed_versions
from twinverify.settings import Config, Settings
from twinverify.training.divergence import TrainingDiverged
from twinverify.training.loop import fit

SETTINGS: Final[Mapping[str, Any]] = {
    "model.image_size": 32,
    "model.patch_size": 8,
    "model.width": 64,
    "model.depth": 2,
    "model.heads": 2,
    "model.glca.heads": 2,
    "model.pwca.blocks": 0,
    "train.epochs": 12,
    "batch.people": 8,
    "batch.images": 4,
    "train.lr": 0.002,
    "synthetic.families": 104,
    "synthetic.images": 4,
    "synthetic.difference": 1.0,
    "split.validation": 0.46,
    "split.test": 0.06,
}
#: What a space has beside them. The optimiser is searched on the bare ViT: that is a third cheaper.
OWN: Final[Mapping[str, Mapping[str, Any]]] = {"optim": {"model.glca.blocks": 0}}
OBJECTIVE: Final = "val/twin_eer"


class Options(Settings):
    """How much to record."""

    spaces: list[str] = Field(["glca_heads", "optim"], min_length=1, description="spaces, trained in turn")
    trials: int = Field(200, ge=1, description="draws of each space")
    again: int = Field(8, ge=0, description="draws trained with a second seed")
    minutes: float = Field(60, gt=0, description="no trial is begun after so long")
    output: Path = Field(CURVES, description="folder of the tables")
    cache: Path = Field(Path("tune_runs/.cache"), description="folder of the drawn faces")


def main(argv: Sequence[str]) -> int:
    options, _ = parse(
        "record_curves", Options, argv, summary=__doc__ or "", examples=["minutes=10"], configurable=False
    )
    torch.set_num_threads(1)
    bases = {name: with_values(load_config("tiny"), settings_of(name)) for name in options.spaces}
    data = load_data("synthetic", with_values(load_config("tiny"), SETTINGS), options.cache)
    deadline = time.monotonic() + 60 * options.minutes
    plans = [to_record(options, load_space(name, base)) for name, base in bases.items()]
    for row in zip(*plans, strict=False):  # in turn: both tables grow alike, whenever the time is over
        for path, number, seed, values in row:
            if time.monotonic() > deadline:
                return 0
            curve = recorded(with_values(bases[path.stem], {**values, "seed": seed}), data, number, seed, values)
            append(path, header(path.stem), curve)
            print(f"{path.stem} {number} seed {seed}: {min(curve.costs, default=1):.4f}, {sum(curve.seconds):.1f} s")
    return 0


def settings_of(space: str) -> dict[str, Any]:
    """Give what the trials of a space have in common."""
    return {**SETTINGS, **OWN.get(space, {})}


def header(space: str) -> dict[str, Any]:
    """Give the first line of a table."""
    return {"space": space, "objective": OBJECTIVE, "settings": settings_of(space), "versions": installed_versions()}


def to_record(options: Options, space: Space) -> Iterator[tuple[Path, int, int, dict[str, Any]]]:
    """Give what is still to be trained of a space: file, number of the draw, seed of the training, values."""
    path = options.output / f"{space.name}.jsonl"
    done = {(curve.number, curve.seed) for curve in known(path, header(space.name))}
    study, drawn, seen = SweepStudy(space, "random", 0), [], set()
    for number in range(options.trials):
        values = rounded(study.draw(number))
        if values_key(values) not in seen:
            seen.add(values_key(values))
            drawn.append((number, values))
    plan = [(number, 0, values) for number, values in drawn]
    # The repeats early: a recording that runs out of time has them too.
    plan[options.again : options.again] = [(number, 1, values) for number, values in drawn[: options.again]]
    return ((path, number, seed, values) for number, seed, values in plan if (number, seed) not in done)


def rounded(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Give values as the table has them: five digits tell a learning rate."""
    return {key: float(f"{v:.5g}") if isinstance(v, float) else v for key, v in (values or {}).items()}


def recorded(config: Config, data: Data, number: int, seed: int, values: Mapping[str, Any]) -> Curve:
    """Train one configuration to its end."""
    costs, seconds = [], []
    started = time.process_time()
    try:
        for report in fit(config, data.train, data.validation, objective=OBJECTIVE):
            now = time.process_time()
            costs.append(round(report.metrics[OBJECTIVE], 4))
            seconds.append(round(now - started, 2))
            started = now
    except TrainingDiverged:
        pass  # the curve ends where the training did
    return Curve(number, seed, dict(values), costs, seconds)


if __name__ == "__main__":
    run(main)
