"""Databases of MLflow's that a server runs: how their addresses are written, and whether they can be reached."""

import re
from importlib.util import find_spec
from shlex import quote
from typing import Final

from twinverify.errors import UserError

#: Kind of database -> the driver that our extra `databases` installs. It is always named in an address: what
#: SQLAlchemy takes by itself changes with its version.
_DRIVERS: Final = {"postgresql": "psycopg2", "mysql": "pymysql"}
_OTHER_NAMES: Final = {"postgres": "postgresql", "mariadb": "mysql"}
_INSTALL: Final = "pip install -c constraints.txt -e '.[databases]'"
_CONNECT_SECONDS: Final = 5


def database_address(tracking: str) -> str | None:
    """Give the address of a database with its driver, as MLflow takes it; None for what names no such database.

    Args:
        tracking: What the user wrote after `tracking=`, as `postgresql://USER:PASSWORD@HOST/NAME`.
    """
    scheme, _, place = tracking.partition("://")
    kind, _, driver = scheme.lower().partition("+")
    kind = _OTHER_NAMES.get(kind, kind)
    if kind not in _DRIVERS or not place:
        return None
    return f"{kind}+{driver or _DRIVERS[kind]}://{place}"


def is_database(uri: str) -> bool:
    """Tell whether an address is one that `database_address` gave."""
    return uri.partition("+")[0] in _DRIVERS


def start_command(address: str) -> str:
    """Give the command that starts a server on a database, as it is to be typed: but for the password, if it has one.

    Args:
        address: As `database_address` gives it.
    """
    shown = re.sub(r"//([^:@/]*):.*@", r"//\1:PASSWORD@", address)
    install = "" if _has_driver(address) else f"{_INSTALL} && "
    return f"{install}MLFLOW_DISABLE_TELEMETRY=true mlflow server --backend-store-uri {quote(shown)}"


def check_database(address: str, shown: str) -> None:
    """Refuse a database that cannot be read now.

    Args:
        address: As `database_address` gives it.
        shown: The address as it may be printed.

    Raises:
        UserError: its driver is not installed, it does not answer, or it holds no runs of MLflow.
    """
    if not _has_driver(address):
        raise UserError(f"tracking={shown}: its driver {_driver(address)} is not installed; {_INSTALL}")
    # Loaded here: it takes a while. MLflow itself would try again for minutes.
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        engine = create_engine(address, poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_SECONDS})
        has_runs = inspect(engine).has_table("runs")
    except (SQLAlchemyError, ValueError, TypeError) as error:
        raise UserError(f"tracking={shown}: the database cannot be read: {_cause(error)}") from error
    if not has_runs:
        raise UserError(f"tracking={shown}: there are no MLflow runs in this database")


def _driver(address: str) -> str:
    return address.partition("://")[0].partition("+")[2]


def _has_driver(address: str) -> bool:
    return find_spec(_driver(address)) is not None


def _cause(error: Exception) -> str:
    """Give the driver's own words, in one line."""
    words = getattr(error, "orig", None) or error
    text = str(words.args[-1]) if words.args else str(words)
    return " ".join(text.split())
