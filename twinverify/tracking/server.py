"""MLflow's own web UI over a store, inside this process and on loopback only.

`mlflow server` starts Python again for uvicorn, and again for each of four workers and for a job runner, and writes a
log. One process answers sooner, is silent, and leaves no orphan however it ends.
"""

import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinverify.errors import UserError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

LOOPBACK: Final = "127.0.0.1"
_PORTS_TRIED: Final = 100


def free_port(wanted: int) -> socket.socket:
    """Take the wanted port on loopback, or the next free one; the socket is held, so that nobody else can have it."""
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65536)):
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # A port whose last server has just stopped is free.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
            listening.listen()
        except OSError:
            listening.close()
            continue
        return listening
    raise UserError(f"port {wanted} and those after it are taken or not allowed; choose another with port=NUMBER")


def serve(uri: str, artifacts: Path | None, listening: socket.socket, when_ready: Callable[[], None]) -> None:
    """Serve MLflow's UI until SIGINT or SIGTERM, which is raised again for the caller once the server has stopped.

    Args:
        uri: Tracking address of a file or database store.
        artifacts: The folder of what was sent through another server on this store; None where there was none.
        listening: The socket to answer on.
        when_ready: Called once, when the server answers.
    """
    app = _application(uri, artifacts)
    # Imported here: MLflow looks at import whether it runs in a server.
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            when_ready()

    # lifespan: MLflow's only looks for leftovers of its assistant's Docker containers. A browser keeps its connections
    # open, so a stop must not wait for them.
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    Server(config).run(sockets=[listening])


def _application(uri: str, artifacts: Path | None) -> "ASGIApp":
    """Make MLflow's application over a store, told where it is as `mlflow server` tells its workers."""
    # Jobs (one more process each) serve GenAI evaluations; the log is of pages that a file store does not have.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ["MLFLOW_LOGGING_LEVEL"] = "CRITICAL"
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = uri
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = uri
    if artifacts is not None:
        os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
        os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = artifacts.resolve().as_uri()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own use of deprecated parts of Starlette
        from mlflow import server
        from mlflow.server.fastapi_app import app

    from twinverify.tracking.page import Page

    return Page(app, Path(server.__file__).parent / server.REL_STATIC_DIR / "index.html")
