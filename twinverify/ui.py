"""`python -m twinverify.ui`: the MLflow UI on this machine's runs, on loopback only."""

import signal
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field
from rich.console import Console

from twinverify.arguments import parse, run
from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.settings import Settings
from twinverify.tracking.address import resolve_tracking, without_password
from twinverify.tracking.server import LOOPBACK, free_port, serve
from twinverify.tracking.store import find_experiment
from twinverify.tracking.view import runs_link, share_view


class UiOptions(Settings):
    """The keys of `ui`."""

    tracking: str | None = Field(None, description="a folder, sqlite:///… or http://…; null = mlflow_experiments")
    port: int = Field(5000, ge=1, le=65535, description="port on loopback; the next free one where it is taken")
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
        summary="Open MLflow's UI on the runs of this project, on this machine only.",
        examples=["", "sweep=glca_heads", "tracking=sqlite:///runs.db port=5001", "check=true"],
        configurable=False,
    )
    if options.check:
        return _check(options.model_fields_set - {"check"})
    uri = resolve_tracking(options.tracking)
    if uri is None:
        raise UserError("tracking=off: there is nothing to show; leave tracking out, or give the store's place")
    client, experiment = find_experiment(uri, options.experiment)
    view = share_view(client, experiment, options.sweep)
    if uri.startswith("http"):
        print(f"The server at {without_password(uri)} shows the runs:\n{runs_link(uri, experiment, view)}")
        return 0
    return _serve(uri, options.port, experiment, view)


def _check(others: Collection[str]) -> int:
    if others:
        raise UserError(f"ui: check=true works in a folder of its own; leave {', '.join(sorted(others))} out")
    from twinverify.silence.check import check
    from twinverify.silence.told import calls_table, verdict_line, watch_line
    from twinverify.silence.watch import may_trace

    console = Console()
    with TemporaryDirectory(prefix="twinverify-check-") as folder:
        seen = check(Path(folder), by_strace=may_trace(), told=lambda line: print(line, flush=True))
    console.print()
    console.print(calls_table(seen))
    console.print(f"\n{watch_line(seen)}\n{verdict_line(seen)}", markup=False, highlight=False, soft_wrap=True)
    return 1 if seen.left else 0


def _serve(uri: str, port: int, experiment: str, view: str) -> int:
    # SIGTERM is an orderly end: status 0. Ctrl-C is 130, as for every command.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listening = free_port(port)
    number = listening.getsockname()[1]

    def say() -> None:
        if number != port:
            print(f"Port {port} is taken; using {number}.")
        link = runs_link(f"http://{LOOPBACK}:{number}", experiment, view)
        print(f"MLflow UI on {uri}; Ctrl-C stops it:\n{link}", flush=True)

    try:
        serve(uri, listening, say)
    finally:
        print("\nMLflow UI stopped.", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
