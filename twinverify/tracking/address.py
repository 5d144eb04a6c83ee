"""Where MLflow's data goes: the address that a user gives, made absolute and checked."""

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from twinverify.errors import UserError, did_you_mean
from twinverify.places import store_folder
from twinverify.tracking.database import database_address, start_command
from twinverify.tracking.health import server_trouble

_FORMS: Final = "default, off, a folder, sqlite:///FILE.db, or http://HOST:PORT"
_OFF: Final = frozenset({"off", "false", "no"})
_SCHEMES: Final = ("http", "https", "sqlite", "file", "postgresql", "mysql")
_SQLITE_MAGIC: Final = b"SQLite format 3\0"


def resolve_tracking(tracking: str | None, *, must_answer: bool = True) -> str | None:
    """Turn what the user wrote after `tracking=` into an absolute MLflow tracking address.

    Relative paths are made absolute here, once, against the current directory: inside a Ray actor they would mean the
    actor's own folder (ray#36257). Nothing is created.

    Args:
        tracking: None or `default` for the project's own file store; `off` for none; a folder or `file:` address;
            `sqlite:///FILE.db`; `http://HOST:PORT` or `https://…` of a running MLflow server.
        must_answer: Whether a server has to be there now; otherwise only the form of its address is looked at.

    Returns:
        The address, or None where tracking is off.

    Raises:
        UserError: The form is unknown, the place cannot hold a store, or the server does not answer.
    """
    if tracking is None or tracking == "default":
        return _checked_folder(store_folder())
    if tracking.lower() in _OFF:
        return None
    server = re.fullmatch(r"(?:https?(?::/|//?))?([\w.-]+:\d+(?:/.*)?)", tracking)
    if server:
        hint = f"did you mean {_server_of(f'http://{server[1]}')}?"
        raise UserError(f"tracking={tracking}: http:// is missing or misspelt; {hint}")
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", tracking)  # two letters at least: C:\runs is a folder
    match scheme.group(1).lower() if scheme else "":
        case "":
            return _checked_folder(_plain_folder(tracking))
        case "file":
            return _checked_folder(_file_address(tracking))
        case "sqlite":
            return _checked_sqlite(tracking)
        case "http" | "https":
            return _checked_server(tracking, must_answer)
        case _ if address := database_address(tracking):
            raise UserError(
                f"tracking={without_password(tracking)}: a database is reached through a server; start "
                f"{start_command(address)} and give tracking=http://127.0.0.1:5000"
            )
        case wrong:
            right = [f"{near}:{tracking[len(wrong) + 1 :]}" for near in get_close_matches(wrong, _SCHEMES, n=1)]
            hint = f"did you mean {without_password(right[0])}?" if right else f"known: {_FORMS}"
            raise UserError(f"tracking={without_password(tracking)}: not a place MLflow can use here; {hint}")


def store_path(uri: str) -> Path | None:
    """Give the folder of a file store, or the file of an SQLite store; None for a server."""
    if uri.startswith("file:"):
        return Path(url2pathname(urlsplit(uri).path))
    if uri.startswith("sqlite:///"):
        return Path(uri.removeprefix("sqlite:///").partition("?")[0])
    return None


def artifacts_folder(database: Path) -> Path:
    """Give the folder of the artifacts beside an SQLite file."""
    return database.with_name(f"{database.stem}_artifacts")


def without_password(address: str) -> str:
    """Give an address as it may be printed."""
    # Up to the last @: a password that was not quoted may hold others, and slashes.
    return address if address.startswith(("file:", "sqlite:")) else re.sub(r"//.*@", "//…@", address)


def _plain_folder(tracking: str) -> Path:
    folder = Path(tracking).expanduser()
    bare = len(folder.parts) == 1 and not folder.is_absolute() and tracking not in {".", ".."}
    if not tracking.strip():
        raise UserError(f"tracking is empty; known: {_FORMS}")
    if bare and not folder.exists() and re.fullmatch(r"localhost|[\d.]+", tracking):
        raise UserError(f"tracking={tracking}: did you mean http://{tracking}:5000? (for a folder: ./{tracking})")
    hint = did_you_mean(tracking, ["default", "off", "none"])
    if bare and not folder.exists() and hint.startswith("did you mean"):
        # A typing slip of a keyword must not become a folder of that name.
        raise UserError(
            f"tracking={tracking}: neither a known word nor an existing folder; known: {_FORMS} "
            f"(for a new folder: ./{tracking})"
        )
    return folder


def _file_address(tracking: str) -> Path:
    parts = urlsplit(tracking)
    if parts.netloc not in {"", "localhost"}:
        raise UserError(f"tracking={tracking}: file: means this machine; write file:///{parts.netloc}{parts.path}")
    if not parts.path:
        raise UserError(f"tracking={tracking}: the folder is missing, as in file:./mlflow_experiments")
    return Path(url2pathname(parts.path))


def _checked_folder(folder: Path) -> str:
    # abspath, not resolve: a linked store keeps the name that its user knows.
    folder = Path(os.path.abspath(folder))  # noqa: PTH100
    if folder.exists() and not folder.is_dir():
        raise UserError(f"tracking folder {folder} is a file; give a folder")
    _check_writable(folder, f"tracking folder {folder}")
    return folder.as_uri()


def _checked_sqlite(tracking: str) -> str:
    place, _, query = tracking.partition(":")[2].removeprefix("///").partition("?")
    if not tracking.lower().startswith("sqlite:///") or not place:
        name = place.lstrip("/")
        hint = f"did you mean sqlite:///{name}?" if name else "write sqlite:///FILE.db (or sqlite:////absolute/FILE.db)"
        raise UserError(f"tracking={tracking}: {hint}")
    file = Path(os.path.abspath(Path(place).expanduser()))  # noqa: PTH100
    if file.is_dir():
        raise UserError(f"tracking database {file} is a folder; give a file, as in sqlite:///{place}/mlflow.db")
    if not file.parent.is_dir():
        raise UserError(f"tracking database {file}: its folder does not exist; make it first")
    _check_writable(file, f"tracking database {file}")
    # SQLite writes its journal beside the file.
    _check_writable(file.parent, f"tracking database {file}")
    if file.exists():
        with file.open("rb") as stream:
            if stream.read(16) not in {b"", _SQLITE_MAGIC}:
                raise UserError(f"tracking database {file} is not an SQLite file")
    return f"sqlite:///{file}" + (f"?{query}" if query else "")


def _check_writable(path: Path, what: str) -> None:
    nearest = path
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    needed = os.W_OK | (os.X_OK if nearest.is_dir() else 0)
    if nearest != path and not nearest.is_dir():
        raise UserError(f"{what}: {nearest} is a file, so nothing can be made below it")
    if not os.access(nearest, needed, effective_ids=os.access in os.supports_effective_ids):
        raise UserError(f"{what}: no permission to write to {nearest}; choose another with tracking=FOLDER")


def _checked_server(tracking: str, must_answer: bool) -> str:
    parts = urlsplit(tracking)
    try:
        known = bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise UserError(f"tracking={without_password(tracking)}: write http://HOST:PORT")
    if parts.query or parts.fragment:
        # Copied from the browser's line of addresses.
        raise UserError(f"tracking={without_password(tracking)}: did you mean {_server_of(tracking)}?")
    address = tracking.rstrip("/")
    trouble = server_trouble(address) if must_answer else None
    if trouble:
        quiet = "MLFLOW_ALLOW_FILE_STORE=true MLFLOW_DISABLE_TELEMETRY=true"
        start = f"{quiet} mlflow server --port {parts.port or 5000} --backend-store-uri {store_folder().as_uri()}"
        raise UserError(f"tracking={without_password(tracking)}: {trouble}; start one with {start}")
    return address


def _server_of(tracking: str) -> str:
    parts = urlsplit(tracking)
    return without_password(f"{parts.scheme}://{parts.netloc}{parts.path}").rstrip("/")
