"""`python -m twinverify.migrate`: takes runs of Weights & Biases into MLflow; nothing is sent, nothing asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from twinverify.environment import prepare

prepare()

from pydantic import Field, field_validator  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.durable import told_if_disk_fails  # noqa: E402
from twinverify.errors import UserError, counted, some  # noqa: E402
from twinverify.interrupt import stoppable  # noqa: E402
from twinverify.reports.console import LastingConsole, counted_bar, open_console  # noqa: E402
from twinverify.settings import Settings  # noqa: E402
from twinverify.tracking.address import resolve_tracking, without_password  # noqa: E402
from twinverify.tracking.store import experiment_name, open_experiment  # noqa: E402

if TYPE_CHECKING:
    from twinverify.tracking.migration.arrival import Tally

EXAMPLES = (
    "from=wandb",
    "from=~/old_project/wandb experiment=old_project tracking=sqlite:///runs.db",
    "from=exports/ params=[lr,batch_size]",
    "from=runs.json",
)


class MigrateOptions(Settings):
    """The keys of `migrate`."""

    place: Path = Field(alias="from", description="folder of run-* and offline-run-*, or of exports; or one export")
    tracking: str | None = Field(None, description="a folder, sqlite:///… or http://…; null = mlflow_experiments")
    experiment: str = Field("wandb", min_length=1, description="MLflow experiment that the runs go to")
    params: list[str] | None = Field(
        None, description="columns of a table export that are parameters; null = numbers are taken as both"
    )

    _experiment = field_validator("experiment", mode="after")(experiment_name)


def main(argv: Sequence[str]) -> int:
    """Migrate runs and give the exit status: 0 done, 130 interrupted; the same command goes on."""
    options, _ = parse("migrate", MigrateOptions, argv, summary=__doc__ or "", examples=EXAMPLES, configurable=False)
    uri = resolve_tracking(options.tracking)
    if uri is None:
        raise UserError("tracking=off: there is no place for the runs; leave tracking out, or give the store's place")
    # MLflow and the wandb package take seconds to import.
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    from twinverify.tracking.courier import short_reason
    from twinverify.tracking.migration.arrival import Arrivals
    from twinverify.tracking.migration.sources import find_sources

    sources = find_sources(options.place.expanduser(), options.params)
    console = open_console()
    with stoppable("Interrupted; the same command goes on where it stopped"), told_if_disk_fails(work="migration"):
        experiment_id = open_experiment(uri, options.experiment)
        arrivals = Arrivals(MlflowClient(uri), experiment_id)
        with counted_bar(LastingConsole(stderr=True), "migrating runs") as told:
            for done, source in enumerate(sources):
                told(done, len(sources), source.name)
                try:
                    arrivals.take(source.read())
                except MlflowException as error:
                    again = "the same command goes on there once that is mended"
                    raise UserError(f"tracking {without_password(uri)}: {short_reason(error)}; {again}") from error
    for line in _lines(arrivals.tally, options):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return 0


def _lines(tally: "Tally", options: MigrateOptions) -> Iterator[str]:
    yield from (f"Note: {line}" for line in tally.told)
    if tally.left_out:
        kinds = ", ".join(f"{count} of kind {kind}" for kind, count in sorted(tally.left_out.items()))
        yield f"Left out, since MLflow's metrics are numbers: {kinds}"
    if tally.renamed:
        changed = some([f"{name} -> {new}" for name, new in tally.renamed.items()])
        yield f"Renamed, since MLflow refuses the name: {changed}"
    runs = f"{counted(tally.new, 'new run')}, {tally.completed} completed, {tally.known} there already"
    yield f"Experiment {options.experiment}: {runs}; {counted(tally.values, 'value')} of metrics written"
    place = f" tracking={quote(options.tracking)}" if options.tracking else ""
    yield f"Look at them:   python -m twinverify.ui experiment={quote(options.experiment)}{place}"


if __name__ == "__main__":
    run(main)
