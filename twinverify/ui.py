"""`python -m twinverify.ui`: the MLflow UI on this machine's runs, on loopback unless `host=` says otherwise."""

import signal
import sys
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.reports.console import open_console
from twinverify.settings import Settings
from twinverify.streams import say as tell
from twinverify.tracking.address import resolve_tracking, without_password
from twinverify.tracking.database import database_address
from twinverify.tracking.host import LOOPBACK, find_host
from twinverify.tracking.large_store import advice
from twinverify.tracking.login import open_login
from twinverify.tracking.server import Served, free_port, serve
from twinverify.tracking.store import find_experiment
from twinverify.tracking.view import runs_link, share_view

if TYPE_CHECKING:
    from mlflow.entities import Experiment

_OPEN = "whoever reaches {} and has the password sees, changes and deletes runs; nothing is encrypted on the way"


class UiOptions(Settings):
    """The keys of `ui`."""

    tracking: str | None = Field(
        None, description="a folder, sqlite:///…, postgresql://…, mysql://… or http://…; null = mlflow_experiments"
    )
    artifacts: Path | None = Field(
        None, description="where an MLflow server on this store keeps its artifacts (--artifacts-destination)"
    )
    host: str = Field(LOOPBACK, description="address or name of this machine; any but loopback's asks for a password")
    port: int = Field(5000, ge=1, le=65535, description="port to answer on; the next free one where it is taken")
    experiment: str | None = Field(None, description="experiment to open; null = that of the sweeps, or the newest")
    sweep: str | None = Field(None, description="show this sweep's runs only")
    check: bool = Field(False, description="watch the commands at work instead; status 1 if a call leaves this machine")


def main(argv: Sequence[str]) -> int:
    """Run the command; gives the exit status."""
    prepare()
    options, _ = parse(
        "ui",
        UiOptions,
        argv,
        summary="Open MLflow's UI on the runs of this project, on this machine only unless host= says otherwise.",
        examples=["", "sweep=glca_heads", "tracking=sqlite:///runs.db port=5001", "check=true"],
        configurable=False,
    )
    if options.check:
        return _check(options.model_fields_set - {"check"})
    host = find_host(options.host)
    uri = database_address(options.tracking or "") or resolve_tracking(options.tracking)
    if uri is None:
        raise UserError("tracking=off: there is nothing to show; leave tracking out, or give the store's place")
    if options.artifacts is not None and not options.artifacts.is_dir():
        raise UserError(f"artifacts={options.artifacts}: there is no such folder")
    client, experiment = find_experiment(uri, options.experiment)
    view = share_view(client, experiment, options.sweep)
    if uri.startswith("http"):
        if host.needs_password:
            raise UserError(f"host={host.name}: tracking={without_password(uri)} is a server already; leave host out")
        print(f"The server at {without_password(uri)} shows the runs:\n{runs_link(uri, experiment, view)}")
        return 0
    for note in (advice(uri), None if options.artifacts else _elsewhere(client.get_experiment(experiment))):
        if note:
            print(f"Note: {note}")
    return _serve(Served(uri, options.artifacts, host), options.port, experiment, view)


def _check(others: Collection[str]) -> int:
    if others:
        raise UserError(f"ui: check=true works in a folder of its own; leave {', '.join(sorted(others))} out")
    from twinverify.silence.check import check
    from twinverify.silence.told import calls_table, verdict_line, watch_line
    from twinverify.silence.watch import may_trace

    console = open_console()
    with TemporaryDirectory(prefix="twinverify-check-") as folder:
        seen = check(Path(folder), by_strace=may_trace(), told=lambda line: print(line, flush=True))
    console.print()
    console.print(calls_table(seen))
    console.print(f"\n{watch_line(seen)}\n{verdict_line(seen)}", markup=False, highlight=False, soft_wrap=True)
    return 1 if seen.left else 0


def _elsewhere(experiment: "Experiment") -> str | None:
    """Say that artifacts were sent through a server, which alone knows where they lie."""
    if not experiment.artifact_location.startswith("mlflow-artifacts:"):
        return None
    return "the artifacts lie with the server that made this experiment; artifacts=FOLDER shows them"


def _serve(served: Served, port: int, experiment: str, view: str) -> int:
    # SIGTERM is an orderly end: status 0. Ctrl-C is 130, as for every command.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    host = served.host
    listening = free_port(port, host.address)
    number = listening.getsockname()[1]

    def say() -> None:
        if number != port:
            print(f"Port {port} is taken; using {number}.")
        if who:
            tell(f"twinverify: warning: {_OPEN.format(host.opened_at(number))}", sys.stderr)
            print(f"{who}.")
        link = runs_link(host.opened_at(number), experiment, view)
        print(f"MLflow UI on {without_password(served.uri)}; Ctrl-C stops it:\n{link}", flush=True)

    with open_login() if host.needs_password else nullcontext() as who:
        try:
            serve(served, listening, say)
        finally:
            print("\nMLflow UI stopped.", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
