"""PostgreSQL and MariaDB from the system's packages, in a temporary folder and on loopback, for as long as a test."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import wait_until

#: Not to be written in an address as it is, so that quoting is tested too.
PASSWORD = "a b/c%@:#"
QUOTED = "a%20b%2Fc%25%40%3A%23"
_SECONDS = 120


@contextmanager
def postgresql() -> Iterator[str]:
    """Run a PostgreSQL with an empty database; gives its address as its own tools write it."""
    initdb = _program("initdb", *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    with _folder("postgres") as (folder, as_owner):
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        user = ["--username=tracker", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256"]
        made = [initdb, f"--pgdata={folder / 'data'}", "--no-sync", "--encoding=UTF8", "--locale=C", *user]
        subprocess.run([*as_owner, *made], check=True, capture_output=True, cwd="/")
        port = _free_port()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        server = Path(initdb).with_name("postgres")
        with _running([*as_owner, str(server), "-D", str(folder / "data"), *words], folder, port, signal.SIGINT):
            yield f"postgresql://tracker:{QUOTED}@127.0.0.1:{port}/postgres"


@contextmanager
def mariadb() -> Iterator[str]:
    """Run a MariaDB with an empty database; gives its address as its own tools write it."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    with _folder("mysql") as (folder, as_owner):
        data = ["--no-defaults", f"--datadir={folder / 'data'}"]
        made = [install, *data, "--skip-test-db", "--auth-root-authentication-method=normal"]
        subprocess.run([*as_owner, *made], check=True, capture_output=True, cwd="/")
        (folder / "first.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS runs CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS tracker@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON runs.* TO tracker@'127.0.0.1';\n"
        )
        port = _free_port()
        words = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", "--skip-name-resolve"]
        first = f"--init-file={folder / 'first.sql'}"
        with _running([*as_owner, server, *data, *words, first], folder, port, signal.SIGTERM):
            yield f"mysql://tracker:{QUOTED}@127.0.0.1:{port}/runs"


def _program(name: str, *folders: Path) -> str:
    """Find a server's program; those of PostgreSQL are not on the path of Debian."""
    path = os.pathsep.join([*map(str, folders), os.environ.get("PATH", ""), "/usr/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install postgresql mariadb-server)")
    return found


@contextmanager
def _folder(owner: str) -> Iterator[tuple[Path, list[str]]]:
    """Make a folder that is the owner's, and give what runs a command as that owner: no server will run as root."""
    # Not pytest's: nobody but root can look into that.
    folder = Path(tempfile.mkdtemp(prefix=f"twinverify-{owner}-"))
    as_owner: list[str] = []
    if os.geteuid() == 0:
        as_owner = ["setpriv", f"--reuid={owner}", f"--regid={owner}", "--clear-groups"]
        shutil.chown(folder, owner, owner)
    try:
        yield folder, as_owner
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(command: list[str], folder: Path, port: int, stop: signal.Signals) -> Iterator[None]:
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def answers() -> bool:
        assert server.poll() is None, (folder / "log.txt").read_text()
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, _SECONDS, f"{command[0]} answers")
        yield
    finally:
        server.send_signal(stop)
        server.wait(_SECONDS)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
