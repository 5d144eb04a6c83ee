"""What a report costs MLflow: one call, whatever the number of metrics."""

from functools import wraps

import pytest
from filled_store import Store, trial
from mlflow import MlflowClient


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the client's methods as they are called."""
    made: list[str] = []
    for name, method in list(vars(MlflowClient).items()):
        if not name.startswith("_") and callable(method):

            @wraps(method)
            def counted(*given, _name=name, _method=method, **more):
                made.append(_name)
                return _method(*given, **more)

            monkeypatch.setattr(MlflowClient, name, counted)
    return made


def test_a_report_is_one_call(store: Store, calls: list[str]) -> None:
    sweep = store.sweep()
    sweep.deliver(trial(0, 1))
    for epochs in (2, 3):
        calls.clear()
        sweep.deliver(trial(0, epochs))
        assert calls == ["log_batch"]


def test_reports_that_waited_are_one_call(store: Store, calls: list[str]) -> None:
    sweep = store.sweep()
    sweep.deliver(trial(0, 1))
    calls.clear()
    sweep.deliver(trial(0, 20))
    assert calls == ["log_batch"]
