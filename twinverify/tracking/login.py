"""MLflow's own authentication for a UI that others can reach: one user, made anew at each start."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twinverify.errors import UserError

#: MLflow's own variables; the second is the user's to set, where a password should be the same at each start.
_USER: Final = "MLFLOW_AUTH_ADMIN_USERNAME"
_PASSWORD: Final = "MLFLOW_AUTH_ADMIN_PASSWORD"
_LEAST: Final = 12  # characters; MLflow takes no fewer, and not what it once came with
_KNOWN_TO_ALL: Final = "password1234"

# The cache saves a slow check of the password at each of a page's many requests.
_SETTINGS: Final = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{users}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 300
"""


@contextmanager
def open_login() -> Iterator[str]:
    """Prepare MLflow's authentication, before its server is imported; at the end the users are forgotten.

    They lie in a folder of this process's own, not beside the store: one that came from elsewhere would bring its users
    along.

    Yields:
        Who may come in, in words.

    Raises:
        UserError: the password in the environment is too short, or known to all.
    """
    user = os.environ.get(_USER) or "admin"
    given = os.environ.get(_PASSWORD)
    if given is not None and (len(given) < _LEAST or given == _KNOWN_TO_ALL):
        wrong = f"has under {_LEAST} characters" if given != _KNOWN_TO_ALL else "is MLflow's old default"
        raise UserError(f"{_PASSWORD} in the environment {wrong}; set another one, or none")
    password = given or secrets.token_urlsafe(16)
    with tempfile.TemporaryDirectory(prefix="twinverify-login-") as folder:  # mode 0700
        users, settings = Path(folder) / "users.db", Path(folder) / "settings.ini"
        users.touch(mode=0o600)
        settings.write_text(_SETTINGS.format(users=users), encoding="utf-8")
        os.environ |= {
            _USER: user,
            _PASSWORD: password,
            "MLFLOW_AUTH_CONFIG_PATH": str(settings),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_urlsafe(32),
            "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
            # MLflow's way to say which kind of application it should give.
            "_MLFLOW_SGI_NAME": "uvicorn",
        }
        yield f"User {user}, password {f'as in {_PASSWORD}' if given else password}"
