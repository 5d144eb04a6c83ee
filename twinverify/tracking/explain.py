"""Why MLflow cannot use a store: its errors in one line, with what would be right."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote

from twinverify.errors import UserError
from twinverify.tracking.address import without_password
from twinverify.tracking.courier import short_reason


@contextmanager
def explained(uri: str, name: str) -> Iterator[None]:
    """Turn what MLflow raises inside into a line for people.

    Args:
        uri: Tracking address, as `resolve_tracking` gives it.
        name: The experiment that is being opened.

    Raises:
        UserError: in place of whatever else is raised.
    """
    from mlflow import __version__
    from yaml import YAMLError

    try:
        yield
    except UserError:
        raise
    except Exception as error:  # MLflow lets through what it meets: a TypeError where meta.yaml lacks a key
        where = f"tracking {without_password(uri)}"
        schema = _other_schema(uri, str(error), __version__)
        if schema:
            raise UserError(f"{where}: {schema}") from error
        cause = short_reason(error) if uri.startswith("http") else str(error).partition("\n")[0] or type(error).__name__
        if uri.startswith("file:") and isinstance(error, (TypeError, LookupError, YAMLError)):
            raise UserError(
                f"{where}: a meta.yaml in it is damaged, or was written by another MLflow than this {__version__} "
                f"({cause}); choose another store with tracking=…"
            ) from error
        raise UserError(f"{where}: experiment {name} cannot be opened: {cause}") from error


def _other_schema(uri: str, words: str, version: str) -> str | None:
    """Explain a database whose tables are not those of this MLflow; None where that is not the trouble."""
    found = re.search(r"found version (\w+)|Can't locate revision identified by '(\w+)'", words)
    if found is None:
        return None
    if _is_known(revision := found[1] or found[2]):
        return (
            f"written by an older MLflow than this {version}; make a copy of it, then run "
            f"mlflow db upgrade {quote(without_password(uri))}"
        )
    return (
        f"written by a newer MLflow than this {version}, or by another program (schema {revision}); "
        "choose another store with tracking=…, or install that MLflow"
    )


def _is_known(revision: str) -> bool:
    """Tell whether this MLflow knows how to bring a schema up to date."""
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError
    from mlflow.store.db.utils import _get_alembic_config

    try:
        return ScriptDirectory.from_config(_get_alembic_config("")).get_revision(revision) is not None  # type: ignore[no-untyped-call]
    except CommandError:
        return False
