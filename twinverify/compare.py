"""`python -m twinverify.compare`: leaderboards of sweeps, a page of each with report=true; check=true audits them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from twinverify.environment import prepare

prepare()

from pydantic import Field  # noqa: E402
from rich.console import Console  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.errors import UserError, some  # noqa: E402
from twinverify.places import output_folder  # noqa: E402
from twinverify.reports.board import boards  # noqa: E402
from twinverify.reports.check import check_lines, checks_as_json, progress_bar  # noqa: E402
from twinverify.reports.console import LastingConsole, counted_bar, open_console  # noqa: E402
from twinverify.reports.export import as_csv, as_json  # noqa: E402
from twinverify.reports.leaderboard import leaderboard, verdict  # noqa: E402
from twinverify.search.going_on import check_journal  # noqa: E402
from twinverify.search.past import PastSweep, find_sweep, read_past  # noqa: E402
from twinverify.search.stored import read_known, sweeps_in  # noqa: E402
from twinverify.settings import Settings  # noqa: E402
from twinverify.streams import visible  # noqa: E402
from twinverify.verification.intervals import METRICS  # noqa: E402

EXAMPLES = (
    "python -m twinverify.compare glca_heads",
    "python -m twinverify.compare glca_heads pwca format=csv",
    "python -m twinverify.compare glca_heads report=true",
    "python -m twinverify.compare glca_heads check=true",
)
_ROWS = 10


class CompareOptions(Settings):
    """Which sweeps, and what of them."""

    names: list[str] = Field([], description="the sweeps: words without a key")
    check: bool = Field(False, description="compare journal, files and MLflow runs instead; status 1 if they differ")
    report: bool = Field(False, description="write report.html into the sweep's folder instead, and print its path")
    faces: bool = Field(False, description="with report=true: show photographs of people; synthetic ones always are")
    format: Literal["table", "json", "csv"] = Field("table", description="for people, or for machines")
    rows: int | None = Field(None, ge=1, description="trials shown; default: 10 in a table, all in json and csv")
    tracking: str | None = Field(None, description="where check=true looks for runs; default: where the sweep has them")
    output: Path | None = Field(None, description="folder of the sweeps; default: tune_runs/")


def main(argv: Sequence[str]) -> int:
    """Compare sweeps and give the exit status: 0 done, 1 something differs."""
    options, _ = parse(
        "compare", CompareOptions, argv, summary=__doc__ or "", examples=EXAMPLES, configurable=False, words="names"
    )
    output = output_folder(options.output)
    if not options.names:
        raise UserError(f"compare: NAME is missing; sweeps in {output}: {some(sweeps_in(output), 12) or 'none yet'}")
    folders = [find_sweep(name, output) for name in dict.fromkeys(options.names)]
    if options.report or options.faces:
        return _report(folders, options)
    console = open_console()
    if options.check:
        return _check(folders, options, console)
    _show([_with_result(read_past(folder)) for folder in folders], options, console)
    return 0


def _report(folders: Sequence[Path], options: CompareOptions) -> int:
    if not options.report:
        raise UserError("compare: faces=true is for the page; give report=true with it")
    if options.check or options.format != "table":
        other = "check=true" if options.check else f"format={options.format}"
        raise UserError(f"compare: report=true writes pages and nothing else; leave {other} out")
    for folder in folders:
        _with_result(read_past(folder))
    # Plotly and Optuna take seconds to import, which a table does without.
    from twinverify.reports.page.write import write_page

    for folder in folders:
        print(visible(str(write_page(folder, faces=options.faces)), keep=""))
    return 0


def _check(folders: Sequence[Path], options: CompareOptions, console: Console) -> int:
    from twinverify.search.audit.audit import audit

    if options.format == "csv":
        raise UserError("compare: check=true has no table; leave format=csv out, or give format=json")
    audits = []
    for folder in folders:
        with progress_bar(LastingConsole(stderr=True), folder.name) as progress:
            audits.append(audit(folder, options.tracking, progress))
    if options.format == "json":
        print(checks_as_json(audits))
    else:
        lines = [line for found in audits for line in check_lines(found)]
        console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    return 1 if any(found.differences for found in audits) else 0


def _show(sweeps: Sequence[PastSweep], options: CompareOptions, console: Console) -> None:
    is_table = options.format == "table"
    with counted_bar(LastingConsole(stderr=True), "resampling families") as told:
        found = boards(sweeps, None if is_table else METRICS, told)
    if not is_table:
        print({"json": as_json, "csv": as_csv}[options.format](found, options.rows).rstrip("\n"))
        return
    for board in found:
        title = f"Leaderboard of {', '.join(past.name for past in board.sweeps)}"
        console.print(leaderboard(board, title, width=console.width, rows=options.rows or _ROWS))
        for past in board.sweeps:
            name = f"{past.name}: " if len(sweeps) > 1 else ""
            console.print(name + verdict(board.of(past)), markup=False, highlight=False, soft_wrap=True)


def _with_result(past: PastSweep) -> PastSweep:
    """Give a sweep that there is something to see of.

    Raises:
        UserError: none of its trials has ended with a value.
    """
    if any(trial.state in ("completed", "pruned") for trial in past.state.trials):
        return past
    check_journal(read_known(past.folder), past.folder)
    failed = [trial for trial in past.state.trials if trial.state == "failed"]
    if failed:
        told = f"all that ended failed ({len(failed)}); the first: {failed[0].cause}"
    else:
        told = f"none of its {len(past.state.trials)} trials has ended yet"
    raise UserError(f"sweep {past.name}: {told}; compare it once a trial is done")


if __name__ == "__main__":
    run(main)
