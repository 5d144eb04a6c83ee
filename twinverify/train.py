"""`python -m twinverify.train`: one DCAL training run, on the same code path as a sweep's trials."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING

from twinverify.environment import prepare

prepare()

from twinverify.interrupt import INTERRUPTED, quit_quietly, stoppable  # noqa: E402

if __name__ == "__main__":
    quit_quietly()

from pydantic import Field, field_validator  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.config import configure, dump_config  # noqa: E402
from twinverify.durable import told_if_disk_fails  # noqa: E402
from twinverify.errors import UserError  # noqa: E402
from twinverify.faces.load import SYNTHETIC, check_data, load_data  # noqa: E402
from twinverify.faces.splits import Split  # noqa: E402
from twinverify.places import runs_folder  # noqa: E402
from twinverify.reports.console import open_console  # noqa: E402
from twinverify.search.data_digest import data_digest  # noqa: E402
from twinverify.search.data_facts import side_facts  # noqa: E402
from twinverify.search.origin import settings_of_trials, sweep_of  # noqa: E402
from twinverify.search.run_files import GRAPH_FILE  # noqa: E402
from twinverify.search.surroundings import note_surroundings  # noqa: E402
from twinverify.search.tracked import sampled  # noqa: E402
from twinverify.search.training_run import open_run  # noqa: E402
from twinverify.settings import Config, Settings  # noqa: E402
from twinverify.tracking.address import resolve_tracking  # noqa: E402
from twinverify.tracking.store import experiment_name, store_trouble  # noqa: E402
from twinverify.tracking.tensorboard import check_tensorboard  # noqa: E402
from twinverify.training.names import LAST, PREVIOUS  # noqa: E402
from twinverify.verification.objective import choose_objective  # noqa: E402

if TYPE_CHECKING:
    from rich.console import Console

    from twinverify.search.telling import Telling
    from twinverify.training.report import EpochReport

EXAMPLES = (
    "python -m twinverify.train config=tiny tracking=off",
    "python -m twinverify.train config=default data=/data/nd_twins tracking=http://localhost:5000",
    "python -m twinverify.train config=tune_runs/glca_heads/best.yaml",
)

_log = logging.getLogger("twinverify.train")

_FAREWELL = "Interrupted; the same command goes on after the last whole epoch."
_SHOWN = ("train/loss", "val/twin_eer", "val/twin_auc", "val/general_eer")


class TrainOptions(Settings):
    """What to train, on what, and where it is kept."""

    config: str | None = Field(None, description="preset or YAML file; default: tiny without a GPU, small with one")
    data: str = Field("synthetic", description="a folder of faces, or synthetic; default with a sweep's file: its data")
    pairs: Path | None = Field(None, description="file of twin pairs; default: found in the data folder")
    epochs: int | None = Field(None, ge=1, le=10_000, description="epochs (train.epochs)")
    seed: int | None = Field(None, ge=0, lt=2**32, description="seed of the training (seed)")
    objective: str | None = Field(None, description="metric of the best checkpoint; default: as in tune")
    threads: int = Field(
        0, ge=0, le=1024, description="computing threads; 0 = all cores; default with a sweep's file: as its trials"
    )
    tracking: str | None = Field(None, description="MLflow address, or off; default: file store mlflow_experiments/")
    experiment: str = Field("twin-verification-training", description="MLflow experiment")
    output: Path | None = Field(None, description="folder of the checkpoints; default: tune_runs/train-CONFIG-HASH")
    tensorboard: bool = Field(False, description="write TensorBoard's file too, in the folder of the checkpoints")
    cache: Path | None = Field(None, description="folder of decoded images; default: tune_runs/.cache")

    _experiment = field_validator("experiment", mode="after")(experiment_name)


def main(argv: Sequence[str]) -> int:
    """Train once and give the exit status: 0 done, 1 diverged or not delivered to MLflow, 130 interrupted."""
    options, overrides = parse("train", TrainOptions, argv, summary=__doc__ or "", examples=EXAMPLES)
    options, as_there = _as_in_its_sweep(options)
    own = {"train.epochs": ("epochs", options.epochs), "seed": ("seed", options.seed)}
    config = configure(options.config, own, overrides)
    check_tensorboard(options.tensorboard)
    uri = resolve_tracking(options.tracking, must_answer=False)
    cache = (options.cache or runs_folder() / ".cache").resolve()
    split = check_data(options.data, config, cache, options.pairs)
    objective = choose_objective(options.objective, has_twins=split.validation.has_twins)
    if options.output is not None and options.output.is_file():
        raise UserError(f"output {options.output}: is a file; give a folder with output=…")
    name = f"train-{Path(options.config or 'preset').stem}-{_key(config, split)}"
    folder = (options.output or runs_folder() / name).resolve()
    # torch takes seconds to import; nothing above needs it.
    from twinverify.training.device import check_device

    check_device(config)
    away = _check_store(options, uri, folder)
    console = open_console()
    for note in (*as_there, *split.train.notes, *away):
        console.print(f"Note: {note}", markup=False)
    try:
        with stoppable(_FAREWELL), told_if_disk_fails(folder, work="training"):
            undelivered, diverged = _train(options, config, objective, folder, cache, uri, console)
    except KeyboardInterrupt:
        return INTERRUPTED
    if undelivered:
        again = f"python -m twinverify.train {join(argv)}"
        told = f"Not delivered to MLflow ({undelivered}); deliver later with: {again}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    return 1 if undelivered or diverged else 0


def _as_in_its_sweep(options: TrainOptions) -> tuple[TrainOptions, tuple[str, ...]]:
    """Take what is not given from the sweep that the configuration came from, so that its numbers come out again."""
    folder = sweep_of(options.config)
    if folder is None:
        return options, ()
    found = settings_of_trials(folder)
    taken = {key: value for key, value in found.items() if key not in options.model_fields_set and value is not None}
    if "data" not in taken and options.data != found["data"] and Path(options.data).resolve() != Path(found["data"]):
        # Other data have other pairs, and maybe no twins.
        taken = {key: taken[key] for key in ("cache", "threads") if key in taken}
    told = ", ".join(f"{key}={value}" for key, value in taken.items() if key != "cache")
    return options.model_copy(update=taken), (f"as in sweep {folder.name}: {told}",) if told else ()


def _check_store(options: TrainOptions, uri: str | None, folder: Path) -> tuple[str, ...]:
    """Refuse a store that cannot be written to; but a training that goes on does so without it: that is only noted."""
    is_new = not any((folder / name).exists() for name in (LAST, PREVIOUS))
    if is_new:
        resolve_tracking(options.tracking)
    trouble = store_trouble(uri, options.experiment) if uri else None
    if trouble and is_new:
        raise UserError(trouble)
    return (f"{trouble}; training goes on, results wait in its folder",) if trouble else ()


def _train(
    options: TrainOptions,
    config: Config,
    objective: str,
    folder: Path,
    cache: Path,
    uri: str | None,
    console: "Console",
) -> tuple[str | None, bool]:
    """Train, or take up a training; give why MLflow does not have it, if so, and whether the training diverged."""
    import torch

    from twinverify.search.telling import Telling
    from twinverify.training.checkpoint import check_folder, identity_of
    from twinverify.training.device import gpu_id
    from twinverify.training.log import logged
    from twinverify.training.loop import fit

    if options.threads:
        torch.set_num_threads(options.threads)
    data = load_data(options.data, config, cache, options.pairs)
    # Before a run is opened, which would stand in the store for nothing.
    check_folder(folder, identity_of(config, data.train, objective))
    note_surroundings(folder)
    sides = side_facts(data.split, data_digest(data.split, None if options.data == SYNTHETIC else cache))
    told = Telling(folder, objective, tensorboard=options.tensorboard)
    if options.tensorboard:
        from twinverify.training.graph import write_graph

        write_graph(folder / GRAPH_FILE, config.model)
    if uri is not None:
        told.run = open_run(
            uri, options.experiment, folder, config, data.split, sides, told.files, partial(_tell_outage, console)
        )
    sizes = f"{len(data.train)} training and {len(data.validation)} validation images"
    console.print(f"{sizes}; checkpoints in {folder}", soft_wrap=True, markup=False)
    with logged(folder), sampled(tracked=uri is not None) as machine:
        reports = fit(
            config,
            data.train,
            data.validation,
            folder=folder,
            objective=objective,
            photographs=options.data == SYNTHETIC,
        )
        cause = _follow(reports, config.train.epochs, told, lambda: machine(0, gpu_id()), console)
    return told.end("failed" if cause else "completed", cause), cause is not None


def _follow(
    reports: "Iterable[EpochReport]",
    epochs: int,
    told: "Telling",
    machine: Callable[[], Mapping[str, float]],
    console: "Console",
) -> str | None:
    """Tell of each epoch as it comes; gives why the training diverged, if it did."""
    from twinverify.training.loop import TrainingDiverged

    try:
        for report in reports:
            told.report(report, machine)
            console.print(_line(report.epoch, epochs, report.metrics), highlight=False)
    except TrainingDiverged as error:
        _log.error("the training diverged at epoch %d: %s", error.epoch, error.cause)
        console.print(f"The training diverged at epoch {error.epoch}: {error.cause}", markup=False)
        return f"epoch {error.epoch}: {error.cause}"
    except BaseException:
        told.pause()
        raise
    return None


def _tell_outage(console: "Console", reason: str | None) -> None:
    away = f"MLflow is away ({reason}); training goes on, results wait"
    console.print(away if reason else "MLflow is back; all that waited is delivered", markup=False, soft_wrap=True)


def _key(config: Config, split: Split) -> str:
    """Give a short digest of the configuration and the people: what makes a training the same training."""
    people = ",".join(person.id for person in split.train.people)
    return hashlib.sha256(f"{dump_config(config)}{people}".encode()).hexdigest()[:8]


def _line(epoch: int, epochs: int, metrics: Mapping[str, float]) -> str:
    shown = ", ".join(f"{name} {metrics[name]:.4f}" for name in _SHOWN if name in metrics)
    return f"epoch {epoch:>{len(str(epochs))}} of {epochs}: {shown}, {metrics['train/images_per_second']:.0f} images/s"


if __name__ == "__main__":
    run(main)
