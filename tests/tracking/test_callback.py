"""Ray's callback as ours: it hands over the record, and nothing of what Ray says."""

from types import SimpleNamespace
from typing import Any

import pytest
from filled_store import EER, LOSS, Store, expected, trial

from twinverify.tracking.callback import SweepMLflowCallback
from twinverify.tracking.courier import Courier


def test_the_record_is_delivered_when_ray_tells_of_a_trial(store: Store) -> None:
    records = {3: trial(3)}
    courier = Courier(store.sweep, told=lambda _: None)
    callback = SweepMLflowCallback(courier, record=records.__getitem__)
    callback.setup()
    ray_trial: Any = SimpleNamespace(config={"trial": 3}, trial_id="a", evaluated_params={})
    callback.log_trial_start(ray_trial)
    for epochs in (1, 2):
        records[3] = trial(3, epochs)
        junk = {"time_total_s": 1.0, "pid": 7, "done": False, "trial_id": "05834_00000", "metrics": {EER: 9.0}}
        callback.log_trial_result(epochs, ray_trial, junk)
    records[3] = trial(3, 2, "pruned")
    callback.log_trial_end(ray_trial)
    assert courier.finish(None, 10) is None
    run = store.trial(3)
    assert set(run.data.metrics) == {EER, LOSS, "train/lr"}
    assert store.history(run, EER) == expected(2)
    assert (run.info.status, run.data.tags["trial_state"]) == ("FINISHED", "pruned")


@pytest.mark.parametrize("hook", ["log_trial_start", "log_trial_result", "log_trial_end"])
def test_each_hook_hands_over_what_the_journal_tells_then(hook: str) -> None:
    taken: list[Any] = []
    courier: Any = SimpleNamespace(take=taken.append)
    record = trial(2, 1)
    callback = SweepMLflowCallback(courier, record={2: record}.__getitem__)
    ray_trial = SimpleNamespace(config={"trial": 2})
    getattr(callback, hook)(*[1] * (hook == "log_trial_result"), ray_trial, *[{}] * (hook == "log_trial_result"))
    assert taken == [record]
