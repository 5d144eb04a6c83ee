import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from twinverify.environment import prepare
from twinverify.errors import UserError
from twinverify.tracking.view import runs_link, share_view

prepare()
# Imported only now: MLflow reads its environment at import.
from mlflow import MlflowClient  # noqa: E402

SHARED = "mlflow.sharedViewState."


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient((tmp_path / "store").as_uri())


def a_run(client: MlflowClient, experiment: str, sweep: str, params: dict[str, str], **metrics: float) -> None:
    run = client.create_run(experiment, tags={"sweep": sweep}).info.run_id
    for name, value in params.items():
        client.log_param(run, name, value)
    for name, value in metrics.items():
        client.log_metric(run, f"val/{name}", value)


def view(client: MlflowClient, experiment: str, sweep: str | None) -> Any:
    key = share_view(client, experiment, sweep)
    return unpacked(client.get_experiment(experiment).tags[SHARED + key])


def unpacked(tag: str) -> Any:
    scheme, _, packed = json.loads(tag)["state"].partition(";")
    assert scheme == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_columns_are_the_metrics_there_are_and_the_parameters_that_vary(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    a_run(client, experiment, "s", {"lr": "1", "fixed": "7"}, general_eer=0.2)
    a_run(client, experiment, "s", {"lr": "2", "fixed": "7"}, general_eer=0.1)

    state = view(client, experiment, "s")

    assert state["selectedColumns"] == ["metrics.`val/general_eer`", "params.`lr`", "tags.`trial_state`"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`val/general_eer`", True)
    assert state["searchFilter"] == "tags.sweep = 's'"


def test_the_twin_error_comes_first_and_orders_the_list(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    a_run(client, experiment, "s", {}, general_eer=0.2, twin_eer=0.4)

    state = view(client, experiment, None)

    assert state["selectedColumns"][0] == state["orderByKey"] == "metrics.`val/twin_eer`"
    assert "tags.`sweep`" in state["selectedColumns"]  # among all runs, which sweep a run is of


def test_a_run_without_metrics_orders_nothing(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    a_run(client, experiment, "s", {"lr": "1"})

    assert "orderByKey" not in view(client, experiment, None)


def test_the_menu_of_views_has_the_best_first_and_the_tree(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    a_run(client, experiment, "s", {"lr": "1"}, twin_eer=0.4)

    key = share_view(client, experiment, "s")

    tags = client.get_experiment(experiment).tags
    views = {name: json.loads(tags[SHARED + name])["name"] for name in (key, key + "-tree")}
    assert list(views.values()) == ["s, best first", "s, as a tree"]
    # The list nests only where it is sorted by start.
    assert unpacked(tags[SHARED + key + "-tree"])["orderByKey"] == "attributes.start_time"


def test_parallel_coordinates_have_the_drawn_values_that_most_trials_share(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    for number in range(4):
        drawn = {"blocks": str(number)}
        drawn |= {"heads": str(number)} if number else {}
        drawn |= {"rare": str(number)} if number < 2 else {}
        a_run(client, experiment, "s", drawn, twin_eer=0.4, general_eer=0.2)

    state = view(client, experiment, "s")

    parallel, *curves = state["compareRunCharts"]
    # With `rare` as an axis one trial would be left.
    assert (parallel["selectedParams"], parallel["selectedMetrics"]) == (["blocks", "heads"], ["val/twin_eer"])
    assert [curve["metricKey"] for curve in curves] == ["val/twin_eer", "val/general_eer"]
    assert {chart["metricSectionId"] for chart in [parallel, *curves]} == {
        section["uuid"] for section in state["compareRunSections"]
    }


def test_a_view_of_a_wide_space_still_fits_into_a_tag(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    for number in range(2):
        a_run(client, experiment, "s", {f"model.group.parameter_{i:02}": str(number) for i in range(60)}, twin_eer=0.4)

    key = share_view(client, experiment, None)

    assert len(client.get_experiment(experiment).tags[SHARED + key]) < 5000  # MLflow's limit on servers


@pytest.mark.parametrize("sweep", ["a'b", "a\\b"])
def test_a_name_that_mlflow_cannot_search_for_is_refused(client: MlflowClient, sweep: str) -> None:
    experiment = client.create_experiment("e")

    with pytest.raises(UserError, match="cannot search"):
        share_view(client, experiment, sweep)


def test_odd_letters_in_a_sweeps_name_are_safe_in_tag_and_link(client: MlflowClient) -> None:
    experiment = client.create_experiment("e")
    a_run(client, experiment, "große & <b>", {}, twin_eer=0.4)

    key = share_view(client, experiment, "große & <b>")

    assert runs_link("http://h", experiment, key).endswith("&viewStateShareKey=twinverify-gro%C3%9Fe____b_")
