"""Metrics that come after a run's end, and the sweep whose own run stands below another's."""

import pytest
from filled_store import Store, trial
from mlflow import MlflowClient

from twinverify.tracking.attach import at_own_run
from twinverify.tracking.late_metrics import late_metrics
from twinverify.tracking.runs import SweepRuns


@pytest.fixture
def swept(store: Store) -> Store:
    runs = store.sweep("s1")
    runs.deliver(trial(0, 2, "completed"))
    runs.finish("FINISHED", {}, {})
    return store


def add(store: Store, step: int, **metrics: float) -> str | None:
    work = late_metrics({f"test/{name}": value for name, value in metrics.items()}, step=step, at=3000.5)
    return at_own_run(store.uri, "twins", "s1", [work])


def test_a_metric_comes_once_a_step_however_often_it_is_delivered(swept: Store) -> None:
    assert add(swept, 1, twin_eer=0.3) is None
    assert add(swept, 1, twin_eer=0.3, twin_auc=0.8) is None
    assert add(swept, 2, twin_eer=0.25) is None
    [own] = [run for run in swept.runs() if "trial" not in run.data.tags]
    assert swept.history(own, "test/twin_eer") == [(1, 0.3), (2, 0.25)]
    assert swept.history(own, "test/twin_auc") == [(1, 0.8)]
    assert own.info.status == "FINISHED"


def below(store: Store, sweep_id: str, outer: str | None) -> SweepRuns:
    tags, client = {"model_type": "dcal"}, MlflowClient(store.uri)
    return SweepRuns(
        *(client, store.experiment),
        sweep_id=sweep_id,
        name="glca_heads/confirm",
        tags=tags,
        description="",
        config=lambda number: "seed: 0\n",
        below=outer,
    )


def test_a_sweep_s_own_run_can_stand_below_another_s(swept: Store) -> None:
    runs = below(swept, "s2", "s1")
    runs.deliver(trial(0, 1))
    [outer] = [run for run in swept.runs("tags.sweep_id = 's1'") if "trial" not in run.data.tags]
    assert swept.client.get_run(runs.parent_id).data.tags["mlflow.parentRunId"] == outer.info.run_id
    again = below(swept, "s2", "s1")
    again.deliver(trial(0, 1))
    assert again.parent_id == runs.parent_id


def test_below_a_sweep_that_is_not_tracked_there_it_stands_by_itself(swept: Store) -> None:
    runs = below(swept, "s2", "s3")
    runs.deliver(trial(0, 1))
    assert "mlflow.parentRunId" not in swept.client.get_run(runs.parent_id).data.tags
