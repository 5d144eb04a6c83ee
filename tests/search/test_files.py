"""The files of a sweep's folder that people read."""

import json
from pathlib import Path
from typing import Any

import pytest

from twinverify.config import flatten, load_config
from twinverify.errors import UserError
from twinverify.search.files import (
    TrialFiles,
    taken_back_if_refused,
    trial_config,
    trial_folder,
    write_aside,
    write_best,
    write_plan,
    write_trial,
)
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState, Trial
from twinverify.search.study import SweepStudy

EER = "val/twin_eer"


@pytest.fixture
def plan(tmp_path: Path) -> SweepPlan:
    options = TuneOptions.model_validate(
        {"space": "glca_heads", "output": tmp_path, "config": "tiny", "gpus": 0, "epochs": 3, "seed": 4}
    )
    made = make_plan(options, {"synthetic.families": 12, "synthetic.images": 3})
    write_plan(made)
    return made


def opened(plan: SweepPlan) -> SweepState:
    return SweepState(plan.folder, SweepStudy(plan.space, "random", 1), None, objective=EER, epochs=3)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    for text in ("long " * 100, "short ü\n"):
        write_aside(tmp_path / "best.yaml", text)
        assert (tmp_path / "best.yaml").read_text(encoding="utf-8") == text
    assert names(tmp_path) == ["best.yaml"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    write_aside(tmp_path / "best.yaml", "old")
    with monkeypatch.context() as patch:
        patch.setattr(*(("os.fsync", full) if call == "fsync" else (Path, "replace", full)))
        with pytest.raises(OSError, match="No space left"):
            write_aside(tmp_path / "best.yaml", "new")
    assert (tmp_path / "best.yaml").read_text() == "old"
    assert names(tmp_path) == ["best.yaml"]


def test_a_trials_folder_has_its_zero_padded_number(plan: SweepPlan) -> None:
    assert trial_folder(plan, 7) == plan.folder / "00007"
    assert trial_folder(plan, 99_999) == plan.folder / "99999"


def test_a_trials_configuration_is_the_plans_with_the_drawn_values(plan: SweepPlan) -> None:
    state = opened(plan)
    for number in range(6):
        trial = state.draw()
        assert trial is not None
        write_trial(plan, trial)
        read = load_config(trial_folder(plan, number) / "config.yaml")
        assert read == trial_config(plan, trial)
        assert flatten(read) == flatten(plan.config) | trial.values
    assert trial_config(plan, state.trials[0]) == plan.config
    state.close()


def test_a_trials_metrics_are_json_lines_in_the_order_of_epochs(plan: SweepPlan) -> None:
    trial = Trial(3, {}, 0.0)
    path = trial_folder(plan, 3) / "metrics.jsonl"
    for epoch in (0, 1, 2):
        if epoch:
            trial.reports.append({EER: 0.5 / epoch, "train/loss": -1.0})
        write_trial(plan, trial)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert lines == [{"epoch": e, EER: 0.5 / e, "train/loss": -1.0} for e in range(1, epoch + 1)]
    assert names(path.parent) == ["config.yaml", "metrics.jsonl"]


def test_files_kept_up_to_date_equal_those_written_whole_and_a_cut_off_line_is_made_anew(plan: SweepPlan) -> None:
    trial, files = Trial(3, {}, 0.0), TrialFiles(plan)
    path = trial_folder(plan, 3) / "metrics.jsonl"
    for epoch in (0, 1, 2, 2):
        trial.reports = [{EER: 0.5 / e} for e in range(1, epoch + 1)]
        files.update(trial)
    written = path.read_bytes()
    write_trial(plan, trial)
    assert path.read_bytes() == written
    path.write_bytes(written[:-7])
    TrialFiles(plan).update(trial)
    assert path.read_bytes() == written


def test_the_best_file_is_the_best_trials_configuration_with_its_result_on_top(plan: SweepPlan) -> None:
    state = opened(plan)
    assert write_best(plan, state) is None
    assert not (plan.folder / "best.yaml").exists()
    for number, values in enumerate(((0.4, 0.3), (0.35, 0.2), (0.1,))):
        state.draw()
        for epoch, value in enumerate(values, 1):
            state.report(number, epoch, {EER: value})
    state.fail(2, "out of memory")
    path = write_best(plan, state)
    assert path == plan.folder / "best.yaml"
    assert load_config(path) == trial_config(plan, state.trials[1])
    head = path.read_text().splitlines()[:2]
    assert head[0] == "# Sweep glca_heads, trial 1: val/twin_eer 0.2000 at epoch 2 of 3."
    assert f"config={path}" in head[1]
    state.close()


# ---- a refused start


def test_a_refused_start_takes_its_new_folders_back(tmp_path: Path) -> None:
    inner, outer = tmp_path / "runs" / "mine", tmp_path / "runs"

    def start() -> None:
        with taken_back_if_refused(inner, outer):
            inner.mkdir(parents=True)
            (inner / "sweep.lock").touch()
            raise UserError("an image is broken")

    with pytest.raises(UserError, match="an image is broken"):
        start()
    assert names(tmp_path) == []


def test_what_was_there_before_or_holds_something_stays(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "a.lock").touch()

    def start() -> None:
        with taken_back_if_refused(old, new):
            new.mkdir()
            (new / "journal.jsonl").touch()
            raise UserError("an image is broken")

    with pytest.raises(UserError, match="an image is broken"):
        start()
    assert names(tmp_path) == ["new", "old"]
    assert names(old) == ["a.lock"]


def test_a_start_that_is_not_refused_keeps_its_folders(tmp_path: Path) -> None:
    with taken_back_if_refused(tmp_path / "runs"):
        (tmp_path / "runs").mkdir()
    assert names(tmp_path) == ["runs"]
