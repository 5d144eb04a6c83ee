"""`python -m twinverify.doctor`: finds, and mends with repair=true, what earlier tools and kills left in MLflow."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from twinverify.environment import prepare

prepare()

from pydantic import Field, field_validator  # noqa: E402
from rich.table import Table  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.durable import told_if_disk_fails  # noqa: E402
from twinverify.errors import UserError, counted, some  # noqa: E402
from twinverify.places import output_folder  # noqa: E402
from twinverify.reports.console import LastingConsole, counted_bar, open_console  # noqa: E402
from twinverify.search.options import seconds  # noqa: E402
from twinverify.search.own_sweeps import OwnSweep, own_sweeps  # noqa: E402
from twinverify.settings import Settings  # noqa: E402
from twinverify.tracking.address import resolve_tracking  # noqa: E402
from twinverify.tracking.store import EXPERIMENT, alone, look_up_experiment  # noqa: E402

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from twinverify.tracking.doctor.diagnosis import Diagnosis
    from twinverify.tracking.doctor.histories import Histories
    from twinverify.tracking.doctor.words import Finding

EXAMPLES = (
    "",
    "experiment=old_sweeps tracking=/data/mlruns",
    "experiment=old_sweeps tracking=sqlite:///runs.db stale=10m repair=true",
    "format=json",
)


class DoctorOptions(Settings):
    """The keys of `doctor`."""

    tracking: str | None = Field(None, description="a folder, sqlite:///… or http://…; null = mlflow_experiments")
    experiment: str = Field(EXPERIMENT, min_length=1, description="the one experiment that is looked at")
    repair: bool = Field(False, description="mend what is found; without it, nothing is changed")
    stale: float = Field(
        3600.0, gt=0, description="silence after which a run that says RUNNING is dead: 10m, 1h, 2d, or seconds"
    )
    format: Literal["table", "json"] = Field("table", description="for people, or for machines")
    output: Path | None = Field(
        None, description="folder of our own sweeps, whose runs are theirs; default: tune_runs/"
    )

    _stale = field_validator("stale", mode="before")(seconds)


def main(argv: Sequence[str]) -> int:
    """Look at an experiment and give the exit status: 0 clean or mended, 1 something is found and not mended."""
    options, _ = parse("doctor", DoctorOptions, argv, summary=__doc__ or "", examples=EXAMPLES, configurable=False)
    output = output_folder(options.output)
    uri = resolve_tracking(options.tracking)
    if uri is None:
        raise UserError("tracking=off: there is nothing to look at; leave tracking out, or give the store's place")
    client, experiment_id = look_up_experiment(uri, options.experiment)
    from twinverify.tracking.doctor.histories import histories_of

    visit = Visit(options, client, experiment_id, histories_of(client, experiment_id), own_sweeps(output))
    if not options.repair:
        return visit.look()
    # Held to the end: no sweep of ours can begin to write meanwhile.
    with alone(uri), told_if_disk_fails(work="repair"):
        return visit.mend()


@dataclass(frozen=True)
class Visit:
    """One look at an experiment, and what is told of it."""

    options: DoctorOptions
    client: "MlflowClient"
    experiment_id: str
    histories: "Histories"
    own: Mapping[str, OwnSweep]

    def look(self) -> int:
        """Tell what would be done."""
        diagnosis = self._examine()
        found = self._findings(diagnosis)
        self._tell(diagnosis, found, mended=False, kept=[])
        return 1 if found else 0

    def mend(self) -> int:
        """Tell what is found, and mend it."""
        from twinverify.tracking.doctor.repair import mend_torn, repair

        stamp = time.strftime("%Y%m%d-%H%M%S")
        diagnosis = self._examine()
        found = [finding for finding in self._findings(diagnosis) if finding.kind in ("lost", "cut")]
        kept = {mend_torn(self.client, self.experiment_id, diagnosis, stamp)}
        if diagnosis.torn:
            diagnosis = self._examine()
        found += self._findings(diagnosis)
        kept.add(repair(self.client, self.histories, diagnosis, stamp))
        self._tell(diagnosis, found, mended=True, kept=[str(place) for place in kept if place])
        return 0 if all(finding.curable for finding in found) else 1

    def _examine(self) -> "Diagnosis":
        from twinverify.tracking.doctor.diagnosis import examine

        with counted_bar(LastingConsole(stderr=True), "looking at runs") as told:
            return examine(
                self.client,
                self.experiment_id,
                self.histories,
                own=self.own.keys(),
                stale=self.options.stale,
                progress=told,
            )

    def _findings(self, diagnosis: "Diagnosis") -> "list[Finding]":
        from twinverify.tracking.doctor.histories import EditableHistories
        from twinverify.tracking.doctor.words import findings

        return findings(diagnosis, editable=isinstance(self.histories, EditableHistories))

    def _tell(self, diagnosis: "Diagnosis", found: "list[Finding]", *, mended: bool, kept: list[str]) -> None:
        notes = [*self._notes(diagnosis), *(f"The originals are kept in {place}" for place in kept)]
        if self.options.format == "json":
            told: dict[str, Any] = {"experiment": self.options.experiment, "runs": diagnosis.runs, "repaired": mended}
            print(json.dumps(told | {"findings": [asdict(finding) for finding in found], "notes": notes}, indent=1))
            return
        console = open_console()
        if found:
            console.print(_table(found, mended))
        for line in (*notes, self._verdict(diagnosis, found, mended)):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _notes(self, diagnosis: "Diagnosis") -> Iterator[str]:
        if diagnosis.alive:
            count = counted(len(diagnosis.alive), "run")
            yield f"Left alone: {count} that may be alive (RUNNING, and heard of lately; stale=… says what is lately)"
        for sweep_id, run_ids in diagnosis.own.items():
            sweep, count = self.own[sweep_id], counted(len(run_ids), "run")
            if sweep.process:
                yield f"Left alone: {count} of sweep {sweep.name}, which is being run by {sweep.process}"
            else:
                yield f"Left alone: {count} of sweep {sweep.name}; it is not running, and mends them by {sweep.again}"

    def _verdict(self, diagnosis: "Diagnosis", found: "list[Finding]", mended: bool) -> str:
        where = f"experiment {self.options.experiment}"
        if not found:
            return f"{where}: {counted(diagnosis.runs, 'run')}, nothing to mend"
        if not mended:
            return f"{where}: nothing has been changed; repair=true does what the table says"
        left = [finding.what for finding in found if not finding.curable]
        return f"{where}: mended" + (f", but for {'; '.join(left)}" if left else "")


def _table(found: "Sequence[Finding]", mended: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("found")
    table.add_column("runs", justify="right")
    table.add_column("which", max_width=40)
    table.add_column("what has been done" if mended else "what repair=true would do")
    for finding in found:
        table.add_row(finding.what, str(len(finding.run_ids)), some(finding.names, 2), finding.cure)
    return table


if __name__ == "__main__":
    run(main)
