"""What a sweep gets when it has ended, and that nothing of it can spoil the sweep."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from twinverify.environment import prepare

prepare()

from mlflow import MlflowClient  # noqa: E402

from twinverify.results import make_results  # noqa: E402
from twinverify.search.options import TuneOptions  # noqa: E402
from twinverify.search.plan import make_plan  # noqa: E402
from twinverify.search.sweep import Outcome, open_state  # noqa: E402
from twinverify.search.tracked import close, open_courier  # noqa: E402

Ended = Callable[..., Outcome]


@pytest.fixture
def ended(tmp_path: Path) -> Ended:
    """End a sweep whose trials reported these values by the real journal and tracking; nothing was trained."""

    def end(*values: float, tracking: str | None = None, interrupted: bool = False) -> Outcome:
        where = {"output": tmp_path / "runs", "tracking": tracking or (tmp_path / "store").as_uri()}
        options = {
            "space": "glca_heads",
            "name": "mine",
            "config": "tiny",
            "gpus": 0,
            "epochs": 1,
            "trials": len(values),
        }
        few = {"synthetic.families": 12, "synthetic.images": 3}
        plan = make_plan(TuneOptions.model_validate(options | where), few)
        plan.folder.mkdir(parents=True, exist_ok=True)
        state = open_state(plan)
        state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
        for number in range(len(state.trials), len(values)):
            state.draw()
            state.report(number, 1, {"val/twin_eer": values[number]})
        (plan.folder / "best.yaml").write_text("seed: 0\n")
        state.close()
        courier = open_courier(plan, state, lambda reason: None)
        if courier is not None:
            patience = time.monotonic() + 60
            while courier.outstanding and time.monotonic() < patience:
                time.sleep(0.01)
            assert close(plan, state, courier, interrupted=False) is None
        return Outcome(plan, state, interrupted=interrupted, seconds=1.0)

    return end


def attached(outcome: Outcome, folder: str | None = None) -> set[str]:
    client = MlflowClient(outcome.plan.options.tracking)
    [experiment] = [each for each in client.search_experiments() if each.name == outcome.plan.options.experiment]
    runs = client.search_runs([experiment.experiment_id], f"tags.sweep_id = '{outcome.plan.sweep_id}'")
    [parent] = [run for run in runs if "trial" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    return {each.path for each in client.list_artifacts(parent.info.run_id, folder)}


def test_the_page_lies_in_the_folder_and_at_the_sweeps_own_run_with_its_figures(ended: Ended) -> None:
    outcome = ended(0.4, 0.3, 0.35)
    lines = list(make_results(outcome))
    page = outcome.plan.folder / "report.html"
    assert f"The report:                   {page}" in lines
    assert page.read_text().startswith("<!doctype html>")
    assert {"report.html", "figures", "best.yaml"} <= attached(outcome)
    assert {"figures/history.json", "figures/timeline.json"} <= attached(outcome, "figures")


def test_a_figure_at_the_run_is_what_plotly_reads(ended: Ended, tmp_path: Path) -> None:
    import plotly.io

    outcome = ended(0.4, 0.3)
    list(make_results(outcome))
    [path] = (tmp_path / "store").rglob("history.json")
    assert set(json.loads(path.read_text())) == {"data", "layout"}
    assert plotly.io.read_json(path).data


def test_a_sweep_that_goes_on_has_its_page_replaced(ended: Ended, tmp_path: Path) -> None:
    list(make_results(ended(0.4, 0.3)))
    [page] = (tmp_path / "store").rglob("report.html")
    before = page.read_text()
    outcome = ended(0.4, 0.3, 0.1)
    list(make_results(outcome))
    assert [page] == list((tmp_path / "store").rglob("report.html"))
    assert "Best: trial 1" in before
    assert "Best: trial 2" in page.read_text()
    assert page.read_text() == (outcome.plan.folder / "report.html").read_text()


def test_what_cannot_be_made_is_told_and_the_rest_is_made(ended: Ended) -> None:
    """Nothing was trained, so there are no weights."""
    lines = list(make_results(ended(0.4, 0.3)))
    assert [line[:24] for line in lines] == ["Note: no model: " + lines[0][16:24], "The report:             "]
    assert "best.safetensors" in lines[0]


def test_a_page_that_cannot_be_written_is_told_in_a_line(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    outcome = ended(0.4, 0.3)
    monkeypatch.setattr("twinverify.reports.page.write.write_text", full)
    [line] = [line for line in make_results(outcome) if line.startswith("Note: no report: ")]
    assert "\n" not in line
    assert "report.html" in line
    assert "report.html" not in attached(outcome)


def test_a_store_that_is_away_is_told_in_a_line(ended: Ended, tmp_path: Path) -> None:
    outcome = ended(0.4, 0.3)
    (tmp_path / "store").rename(tmp_path / "moved")
    (tmp_path / "store").write_text("not a store")
    lines = list(make_results(outcome))
    assert lines[-1].startswith("Note: the report is not at the sweep's MLflow run (")
    assert lines[-1].endswith("); resuming the sweep tries again")
    assert (outcome.plan.folder / "report.html").exists()


def test_without_tracking_there_is_a_page_and_nothing_else(ended: Ended, tmp_path: Path) -> None:
    outcome = ended(0.4, 0.3, tracking="off")
    assert any(line.startswith("The report: ") for line in make_results(outcome))
    assert not list(tmp_path.rglob("meta.yaml"))


def test_what_mlflow_lacks_already_is_not_tried_again(ended: Ended) -> None:
    outcome = ended(0.4, 0.3)
    undelivered = Outcome(outcome.plan, outcome.state, interrupted=False, seconds=1.0, undelivered="1 trial (away)")
    assert not any("MLflow" in line for line in make_results(undelivered))
    assert "report.html" not in attached(outcome)


def test_an_interrupted_sweep_and_one_without_a_result_get_nothing(ended: Ended) -> None:
    outcome = ended(0.4, tracking="off", interrupted=True)
    assert list(make_results(outcome)) == []
    state = outcome.state
    state.trials.clear()
    assert list(make_results(Outcome(outcome.plan, state, interrupted=False, seconds=1.0))) == []
    assert not (outcome.plan.folder / "report.html").exists()


def test_what_nobody_thought_of_is_a_note_too_and_its_traceback_is_kept(
    ended: Ended, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(folder: Path) -> None:
        raise RuntimeError("size mismatch\nfor weight")

    monkeypatch.setattr("twinverify.serving.folder.write_best_folder", breaks)
    outcome = ended(0.4)
    lines = list(make_results(outcome))
    kept = outcome.plan.folder / "model_error.txt"
    assert lines[0] == f"Note: no model: RuntimeError: size mismatch (all of it: {kept})"
    assert "in breaks" in kept.read_text()
    assert any(line.startswith("The report:") for line in lines)
    monkeypatch.undo()
    assert not [line for line in make_results(outcome) if "RuntimeError" in line]


def test_who_wants_none_gets_none(ended: Ended) -> None:
    outcome = ended(0.4)
    options = outcome.plan.options.model_copy(update={"results": False})
    outcome = replace(outcome, plan=replace(outcome.plan, options=options))
    assert list(make_results(outcome)) == []
    assert not (outcome.plan.folder / "report.html").exists()
