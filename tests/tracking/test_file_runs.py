"""A run of a file store is found by its path, as MLflow would find it, without a look at the others."""

from pathlib import Path

import pytest

from twinverify.environment import prepare

prepare()

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.store.tracking import file_store  # noqa: E402

from twinverify.tracking.connect import connect  # noqa: E402


def test_a_report_lists_no_other_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, experiment = connect(f"file:{tmp_path}", "many")
    runs = [client.create_run(experiment).info.run_id for _ in range(4)]
    looked_in: list[str] = []
    find = file_store.find

    def counting(root: str, name: str, full_path: bool = False) -> list[str]:
        looked_in.append(Path(root).name)
        found: list[str] = find(root, name, full_path)
        return found

    monkeypatch.setattr(file_store, "find", counting)
    for run in runs:
        client.log_batch(run, [Metric("val/twin_eer", 0.25, 1, 1)])
    assert experiment not in looked_in
    plain = MlflowClient(f"file:{tmp_path}/.")
    assert [plain.get_run(run).data.metrics for run in runs] == [{"val/twin_eer": 0.25}] * 4
    assert experiment in looked_in


def test_what_is_not_there_or_no_run_is_refused_in_mlflows_words(tmp_path: Path) -> None:
    client, experiment = connect(f"file:{tmp_path}", "many")
    run = client.create_run(experiment).info.run_id
    elsewhere = client.create_run(client.create_experiment("other")).info.run_id
    assert client.get_run(elsewhere).info.run_id == elsewhere
    (tmp_path / experiment / run / "meta.yaml").unlink()
    plain = MlflowClient(f"file:{tmp_path}/.")
    for wanted in (run, "0" * 32, "../x", "x/y"):
        told = []
        for each in (client, plain):
            with pytest.raises(MlflowException) as refused:
                each.get_run(wanted)
            told.append(str(refused.value).replace("/./", "/"))
        assert told[0] == told[1]


def test_a_deleted_run_is_found_and_stays_deleted(tmp_path: Path) -> None:
    client, experiment = connect(f"file:{tmp_path}", "many")
    run = client.create_run(experiment).info.run_id
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    with pytest.raises(MlflowException, match="lifecycle_stage"):
        client.log_batch(run, [Metric("val/twin_eer", 0.25, 1, 1)])
