"""`python -m twinverify.ui`: the MLflow UI on this machine's runs, on loopback unless `host=` says otherwise."""

import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from pydantic import Field

from twinverify.arguments import parse, run
from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.settings import Settings
from twinverify.streams import say as tell
from twinverify.tracking.address import resolve_tracking, without_password
from twinverify.tracking.host import LOOPBACK, Host, find_host
from twinverify.tracking.login import open_login
from twinverify.tracking.server import free_port, serve
from twinverify.tracking.store import find_experiment
from twinverify.tracking.view import runs_link, share_view

_OPEN = "whoever reaches {} and has the password sees, changes and deletes runs; nothing is encrypted on the way"


class UiOptions(Settings):
    """The keys of `ui`."""

    tracking: str | None = Field(None, description="a folder, sqlite:///… or http://…; null = mlflow_experiments")
    host: str = Field(LOOPBACK, description="address or name of this machine; any but loopback's asks for a password")
    port: int = Field(5000, ge=1, le=65535, description="port to answer on; the next free one where it is taken")
    experiment: str | None = Field(None, description="experiment to open; null = that of the sweeps, or the newest")
    sweep: str | None = Field(None, description="show this sweep's runs only")


def main(argv: Sequence[str]) -> int:
    """Run the command; gives the exit status."""
    prepare()
    options, _ = parse(
        "ui",
        UiOptions,
        argv,
        summary="Open MLflow's UI on the runs of this project, on this machine only unless host= says otherwise.",
        examples=["", "sweep=glca_heads", "tracking=sqlite:///runs.db port=5001"],
        configurable=False,
    )
    host = find_host(options.host)
    uri = resolve_tracking(options.tracking)
    if uri is None:
        raise UserError("tracking=off: there is nothing to show; leave tracking out, or give the store's place")
    client, experiment = find_experiment(uri, options.experiment)
    view = share_view(client, experiment, options.sweep)
    if uri.startswith("http"):
        if host.needs_password:
            raise UserError(f"host={host.name}: tracking={without_password(uri)} is a server already; leave host out")
        print(f"The server at {without_password(uri)} shows the runs:\n{runs_link(uri, experiment, view)}")
        return 0
    return _serve(uri, host, options.port, experiment, view)


def _serve(uri: str, host: Host, port: int, experiment: str, view: str) -> int:
    # SIGTERM is an orderly end: status 0. Ctrl-C is 130, as for every command.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listening = free_port(port, host.address)
    number = listening.getsockname()[1]

    def say() -> None:
        if number != port:
            print(f"Port {port} is taken; using {number}.")
        if who:
            tell(f"twinverify: warning: {_OPEN.format(host.opened_at(number))}", sys.stderr)
            print(f"{who}.")
        link = runs_link(host.opened_at(number), experiment, view)
        print(f"MLflow UI on {uri}; Ctrl-C stops it:\n{link}", flush=True)

    with open_login() if host.needs_password else nullcontext() as who:
        try:
            serve(uri, host, listening, say)
        finally:
            print("\nMLflow UI stopped.", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
