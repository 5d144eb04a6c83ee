"""A real `mlflow server`, over a file store or what else a command names, which tests start, kill and start again."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from command_line import Store, environment, wait_until


@dataclass(frozen=True)
class Served(Store):
    """A store, read back through its server: only that can give the artifacts."""

    address: str

    @property
    def uri(self) -> str:
        """The server's address."""
        return self.address


class Server:
    """One server on loopback; its address stays the same."""

    def __init__(self, folder: Path, command: str | None = None) -> None:
        """Make one whose artifacts lie in `folder`.

        Args:
            folder: the folder that it is started in.
            command: starts it, as typed into a shell; by default one over a file store.
        """
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        #: What `tracking=` is given.
        self.address = f"http://127.0.0.1:{self.port}"
        self.store = Served(folder / "store", self.address)
        over_files = f"MLFLOW_ALLOW_FILE_STORE=true mlflow server --backend-store-uri {self.store.folder.as_uri()}"
        self._command = command or over_files
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        own = {"MLFLOW_PORT": str(self.port), "MLFLOW_WORKERS": "1", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        activated = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                shell=True,
                cwd=self.folder,
                env=environment() | own | activated | {"MLFLOW_DISABLE_TELEMETRY": "true"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, 120, "the tracking server answers")

    def kill(self) -> None:
        """SIGKILL it with all that it started."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def lose_everything(self) -> None:
        """Delete what it holds."""
        shutil.rmtree(self.store.folder)
        shutil.rmtree(self.folder / "mlartifacts")

    def _answers(self) -> bool:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.address}/health") as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
