"""The main job through the command line, with the folder and the MLflow store read back."""

import json
import re

import pytest
import yaml
from command_line import Sweep, call
from safetensors.numpy import load_file
from store_assertions import (
    assert_every_metric_has_each_epoch_once,
    assert_one_run_a_trial_below_one_parent,
    assert_parameters_are_the_drawn_values,
    assert_tags_and_statuses,
    journal,
)

from twinverify.config import flatten, load_config
from twinverify.settings import Config


def test_it_ends_well_and_prints_nothing_but_its_own_lines(sweep: Sweep) -> None:
    assert sweep.finished.status == 0, sweep.finished.err
    assert sweep.finished.err == ""
    noise = re.findall(r"(?i).*(?:warning|deprecat|traceback|\(pid=|ray\.init|INFO).*", sweep.finished.out)
    assert noise == []


def test_it_ends_with_leaderboard_best_file_ui_and_how_to_continue(sweep: Sweep) -> None:
    out = sweep.finished.out
    assert "Leaderboard of glca_heads" in out
    assert "0 (default)" in out
    assert "best.yaml" in out
    assert "python -m twinverify.ui" in out
    assert "python -m twinverify.tune resume=glca_heads" in out


def test_trial_0_is_the_default_and_runs_to_the_end(sweep: Sweep) -> None:
    base = flatten(Config.model_validate(yaml.safe_load((sweep.folder / "sweep.yaml").read_text())["config"]))
    first = journal(sweep)[0]
    assert first["event"] == "drawn"
    assert first["trial"] == 0
    assert first["values"] == {key: base[key] for key in first["values"]}
    last = [entry for entry in journal(sweep) if entry["trial"] == 0][-1]
    assert (last["epoch"], last["then"]) == (4, "completed")


def test_the_best_is_never_worse_than_the_default(sweep: Sweep) -> None:
    reports = [entry for entry in journal(sweep) if entry["event"] == "reported"]
    values = {n: min(r["metrics"]["val/twin_eer"] for r in reports if r["trial"] == n) for n in range(8)}
    found = re.search(r"Best: trial (\d+), val/twin_eer ([\d.]+)", sweep.finished.out)
    assert found
    assert float(found[2]) == pytest.approx(min(values.values()), abs=1e-4)
    assert float(found[2]) <= values[0] + 1e-4


def test_every_trial_has_one_run_below_one_parent(sweep: Sweep) -> None:
    assert len(sweep.store.trials()) == 8
    assert_one_run_a_trial_below_one_parent(sweep)


def test_every_metric_has_each_epoch_once_and_none_is_noise(sweep: Sweep) -> None:
    assert_every_metric_has_each_epoch_once(sweep, "val/twin_eer")


def test_every_run_has_the_tags_of_the_contract_and_a_true_status(sweep: Sweep) -> None:
    assert_tags_and_statuses(sweep, space="glca_heads", dataset="synthetic")


def test_parameters_are_the_drawn_values_and_the_rest_is_an_artifact(sweep: Sweep) -> None:
    assert_parameters_are_the_drawn_values(sweep)


def test_the_sweeps_folder_holds_what_people_read_and_no_pickle(sweep: Sweep) -> None:
    for number in range(8):
        folder = sweep.folder / f"{number:05d}"
        load_config(folder / "config.yaml")
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        assert [line["epoch"] for line in lines] == list(range(1, len(lines) + 1))
    assert load_config(sweep.folder / "best.yaml")
    assert not [path for path in sweep.folder.rglob("*") if path.suffix in (".pkl", ".pickle", ".pt", ".pth")]


def test_checkpoints_stay_of_the_best_five_trials_only(sweep: Sweep) -> None:
    best: dict[int, float] = {}
    for entry in journal(sweep):
        if entry["event"] == "reported":
            value = entry["metrics"]["val/twin_eer"]
            best[entry["trial"]] = min(value, best.get(entry["trial"], value))
    ranked = sorted(best, key=lambda number: (best[number], number))
    for number in range(8):
        found = {path.name for path in (sweep.folder / f"{number:05d}").glob("*.safetensors")}
        assert found == ({"best.safetensors", "last.safetensors"} if number in ranked[:5] else set()), number
        assert all(load_file(sweep.folder / f"{number:05d}" / name) for name in found)


def test_the_same_command_again_tells_the_result_and_changes_nothing(sweep: Sweep) -> None:
    def held() -> list[object]:
        runs = sorted(sweep.store.runs(), key=lambda run: run.info.run_id)
        listed = [[file.path for file in sweep.store.client.list_artifacts(run.info.run_id)] for run in runs]
        told = [(run.info.run_id, len(run.inputs.dataset_inputs), run.data.tags) for run in runs]
        files = [sweep.folder / "journal.jsonl", *sorted(sweep.folder.glob("*/events.out.tfevents.*"))]
        return [told, listed, [path.read_bytes() for path in files]]

    before = held()
    again = call(*sweep.words, "results=true", cwd=sweep.folder.parents[1])
    assert again.status == 0, again.err
    assert "Leaderboard" in again.out
    assert held() == before
    assert len(sweep.store.runs()) == 9


def test_the_same_name_with_other_settings_is_refused_and_the_difference_named(sweep: Sweep) -> None:
    words = [word for word in sweep.words if not word.startswith("epochs")]
    other = call(*words, "epochs=5", "sampler=random", cwd=sweep.folder.parents[1])
    assert other.status == 2
    assert "train.epochs was 4, now 5" in other.err
    assert "sampler was 'tpe', now 'random'" in other.err


def test_a_trial_in_a_reused_actor_gives_the_numbers_of_a_fresh_process(sweep: Sweep, tmp_path) -> None:
    # The last trial ran in an actor that had run seven others before it.
    folder = sweep.folder / "00007"
    done = call(
        "train",
        f"config={folder / 'config.yaml'}",
        "tracking=off",
        "threads=1",
        f"output={tmp_path / 'alone'}",
        cwd=tmp_path,
    )
    assert done.status == 0, done.err
    in_sweep = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    alone = re.findall(r"epoch +(\d+) of \d+: train/loss ([\d.-]+), val/twin_eer ([\d.]+)", done.out)
    told = [(str(m["epoch"]), f"{m['train/loss']:.4f}", f"{m['val/twin_eer']:.4f}") for m in in_sweep]
    assert alone[: len(told)] == told
