"""A real `mlflow server` over a file store, which tests start, kill and start again."""

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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        #: What `tracking=` is given.
        self.address = f"http://127.0.0.1:{self.port}"
        self.store = Served(folder / "store", self.address)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True)
        own = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        words = ("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1")
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mlflow", "server", *words, "--backend-store-uri", self.store.folder.as_uri()],
                cwd=self.folder,
                env=environment() | own | {"MLFLOW_DISABLE_TELEMETRY": "true"},
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
