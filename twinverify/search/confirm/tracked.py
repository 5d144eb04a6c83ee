"""Puts the result of a confirmation and of its sealed test into the confirmation's own run in MLflow."""

import time

from twinverify.search.confirm.plan import Confirmation
from twinverify.search.confirm.result import RESULT_FILE
from twinverify.search.confirm.stored_test import StoredConfiguration, StoredTest, read_results, result_path
from twinverify.tracking.address import resolve_tracking


def deliver(confirmation: Confirmation) -> str | None:
    """Deliver the files of the results, and the figures of the sealed test as metrics `test/…`, a step an opening.

    What is there already is not repeated.

    Returns:
        None if all is there or nothing is tracked; else why not.
    """
    plan = confirmation.plan
    uri = resolve_tracking(plan.options.tracking, must_answer=False)
    if uri is None:
        return None
    # MLflow takes seconds to import.
    from twinverify.tracking.attach import at_own_run, attach
    from twinverify.tracking.late_metrics import late_metrics

    path = result_path(confirmation)
    works = [attach({each.name: each for each in (plan.folder / RESULT_FILE, path) if each.exists()})]
    for test in read_results(path).tests:
        works.append(late_metrics(test_metrics(test), step=test.opening.number, at=time.time()))
    return at_own_run(uri, plan.options.experiment, plan.sweep_id, works)


def test_metrics(test: StoredTest) -> dict[str, float]:
    """Give the figures of a test as metrics: `test/twin_eer` is the winner's, `test/default/twin_eer` the default's."""
    found: dict[str, float] = {}
    for prefix, each in (("test/", test.winner), ("test/default/", test.default)):
        if each is not None:
            found |= {f"{prefix}{name}": value for name, value in _flat(each).items()}
    return found | {f"test/less_default/{name}": each.value for name, each in test.less_default.items()}


def _flat(each: StoredConfiguration) -> dict[str, float]:
    folds = {} if each.fold_accuracy is None else {"fold_accuracy": each.fold_accuracy["mean"]}
    return {name: figure.value for name, figure in each.figures.items()} | folds
