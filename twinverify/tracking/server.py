"""MLflow's own web UI over a store, inside this process; on loopback, or behind a login.

`mlflow server` starts Python again for uvicorn, and again for each of four workers and for a job runner, and writes a
log. One process answers sooner, is silent, and leaves no orphan however it ends.
"""

import logging
import os
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinverify.errors import UserError
from twinverify.tracking.host import LOOPBACK, Host
from twinverify.tracking.page import put_own_page

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_PORTS_TRIED: Final = 100


@dataclass(frozen=True)
class Served:
    """What the UI shows, and where.

    Attributes:
        uri: tracking address of a file or database store.
        artifacts: the folder of what was sent through another server on this store; None where there was none.
        host: where it answers; one that needs a password has MLflow's login, which `open_login` has prepared.
    """

    uri: str
    artifacts: Path | None
    host: Host


def free_port(wanted: int, address: str = LOOPBACK) -> socket.socket:
    """Take the wanted port at an address, or the next free one; the socket is held, so that nobody else can have it."""
    for port in range(wanted, min(wanted + _PORTS_TRIED, 65536)):
        listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        # A port whose last server has just stopped is free.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address, port))
            listening.listen()
        except OSError:
            listening.close()
            continue
        return listening
    raise UserError(f"port {wanted} and those after it are taken or not allowed; choose another with port=NUMBER")


def serve(served: Served, listening: socket.socket, when_ready: Callable[[], None]) -> None:
    """Serve MLflow's UI until SIGINT or SIGTERM, which is raised again for the caller once the server has stopped.

    Args:
        served: What is shown, and where.
        listening: The socket to answer on.
        when_ready: Called once, when the server answers.
    """
    app = _application(served, listening.getsockname()[1])
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


def _application(served: Served, port: int) -> "ASGIApp":
    """Make MLflow's application over a store, told where it is as `mlflow server` tells its workers."""
    os.environ |= {
        # Jobs (one more process each) serve GenAI evaluations.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Whatever the user has set for a server of their own: requests for another name, and changes asked for by pages
        # of another one, are refused.
        "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(served.host.headers(port)),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": served.host.opened_at(port),
    }
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = served.uri
    os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = served.uri
    if served.artifacts is not None:
        os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
        os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = served.artifacts.resolve().as_uri()
    # What it warns of is told by us, or is of pages that a file store does not have.
    logging.getLogger("mlflow").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own use of deprecated parts of Starlette
        from mlflow import server
        from mlflow.server.assistant.api import assistant_router

        # Its assistant would run programs as this user, and tell a model elsewhere of the runs. Taken out before the
        # application is put together, so that its addresses lead nowhere.
        assistant_router.routes.clear()
        put_own_page(server.app, Path(server.__file__).parent / server.REL_STATIC_DIR / "index.html")
        app: ASGIApp
        if served.host.needs_password:
            from mlflow.server.auth import create_app

            app = create_app(server.app)
        else:
            from mlflow.server.fastapi_app import app
    return app
