import os
from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.tracking.login import open_login


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))


def test_each_start_has_a_password_of_its_own() -> None:
    passwords = set()
    for _ in range(2):
        with open_login() as who:
            assert who == f"User admin, password {os.environ.pop('MLFLOW_AUTH_ADMIN_PASSWORD')}"
            passwords.add(who)
    assert len(passwords) == 2
    assert min(map(len, passwords)) > 40


def test_the_users_are_this_processes_own_and_are_forgotten() -> None:
    with open_login():
        settings = Path(os.environ["MLFLOW_AUTH_CONFIG_PATH"])
        users = settings.with_name("users.db")
        assert f"database_uri = sqlite:///{users}\n" in settings.read_text()
        assert (users.stat().st_mode & 0o777, users.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not users.parent.exists()


def test_a_password_of_the_users_own_is_taken_and_not_shown() -> None:
    os.environ |= {"MLFLOW_AUTH_ADMIN_PASSWORD": "correct horse battery", "MLFLOW_AUTH_ADMIN_USERNAME": "lab"}
    with open_login() as who:
        assert os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] == "correct horse battery"
    assert who == "User lab, password as in MLFLOW_AUTH_ADMIN_PASSWORD"


@pytest.mark.parametrize(
    ("password", "why"),
    [("", "under 12 characters"), ("short", "under 12 characters"), ("password1234", "MLflow's old default")],
)
def test_a_password_that_anybody_could_guess_is_refused(password: str, why: str) -> None:
    os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"] = password
    with pytest.raises(UserError, match=why), open_login():
        pass
