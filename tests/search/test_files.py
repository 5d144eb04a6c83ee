"""The files of a sweep's folder that people read."""

import json
import subprocess
import sys
import time
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


def written_at(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_is_right_already_is_not_written_again(plan: SweepPlan) -> None:
    trial = Trial(3, {}, 0.0, reports=[{EER: 0.5}])
    before = set()
    for _ in range(2):
        write_plan(plan)
        TrialFiles(plan).update(trial)
        before.add(tuple(sorted(written_at(plan.folder).items())))
    assert len(before) == 1


@pytest.mark.parametrize("name", ["sweep.yaml", "space.yaml", "00003/config.yaml", "00003/metrics.jsonl", "best.yaml"])
@pytest.mark.parametrize("cut", ["nothing left", "one byte", "half", "all but one byte", "gone"])
def test_a_file_cut_off_anywhere_is_made_anew_and_the_checkpoints_stay(plan: SweepPlan, name: str, cut: str) -> None:
    state = opened(plan)
    for number in range(4):
        state.draw()
        state.report(number, 1, {EER: 0.5 - number / 10})

    def write_all() -> None:
        write_plan(plan)
        for trial in state.trials:
            TrialFiles(plan).update(trial)
        write_best(plan, state)

    write_all()
    checkpoint = plan.folder / "00003" / "last.safetensors"
    checkpoint.write_text("state")
    path = plan.folder / name
    whole = path.read_bytes()
    lengths = {"nothing left": 0, "one byte": 1, "half": len(whole) // 2, "all but one byte": len(whole) - 1}
    if cut == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: lengths[cut]])
    write_all()
    state.close()
    assert path.read_bytes() == whole
    assert checkpoint.read_text() == "state"


def test_a_folder_with_another_trials_things_is_emptied_when_its_trial_is_taken_up(plan: SweepPlan) -> None:
    folder = trial_folder(plan, 2)
    before = Trial(2, {"model.glca.blocks": 2}, 0.0, reports=[{EER: 0.5}] * 2)
    now = Trial(2, {"model.glca.blocks": 3}, 0.0, reports=[{EER: 0.4}])
    write_trial(plan, before)
    stale = ("last.safetensors", "previous.safetensors", "best.safetensors", "last.json", "best.json", "error.txt")
    for name in (*stale, "last.damaged", ".last.safetensors.4711", ".tmpA1b2C3", "notes.txt"):
        (folder / name).write_text("another trial's")
    write_trial(plan, before)
    assert set(stale) < set(names(folder)), "its own things stay"
    write_trial(plan, now)
    assert names(folder) == ["config.yaml", "metrics.jsonl", "notes.txt"]
    assert load_config(folder / "config.yaml") == trial_config(plan, now)
    assert json.loads((folder / "metrics.jsonl").read_text()) == {"epoch": 1, EER: 0.4}


def test_an_ended_trials_folder_is_never_emptied(plan: SweepPlan) -> None:
    trial = Trial(2, {"model.glca.blocks": 2}, 0.0, state="completed")
    write_trial(plan, trial)
    (trial_folder(plan, 2) / "best.safetensors").write_text("weights")
    (trial_folder(plan, 2) / "config.yaml").write_text("seed: 1\n")
    write_trial(plan, trial)
    assert names(trial_folder(plan, 2)) == ["best.safetensors", "config.yaml", "metrics.jsonl"]
    assert load_config(trial_folder(plan, 2) / "config.yaml") == trial_config(plan, trial)


def test_what_killed_processes_left_half_written_is_cleared_away_and_nothing_else(plan: SweepPlan) -> None:
    trial = Trial(2, {}, 0.0)
    write_trial(plan, trial)
    left = [".sweep.yaml.4711", ".space.yaml.12", ".best.yaml.3", "00002/.config.yaml.5", "00002/.metrics.jsonl.6"]
    kept = [".mine.4711", "notes.txt", "00002/.last.safetensors.7", "00002/notes.txt"]
    for name in (*left, *kept):
        (plan.folder / name).write_text("x")
    write_plan(plan)
    write_trial(plan, trial)
    assert [name for name in left if (plan.folder / name).exists()] == []
    assert [name for name in kept if not (plan.folder / name).exists()] == []


def test_a_best_file_goes_with_the_last_trial_that_had_a_value(plan: SweepPlan) -> None:
    state = opened(plan)
    (plan.folder / "best.yaml").write_text("of a journal that lost its end")
    assert write_best(plan, state) is None
    assert not (plan.folder / "best.yaml").exists()


def test_a_full_disk_is_one_line_that_names_the_file(plan: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    state, trial, files = opened(plan), Trial(3, {}, 0.0), TrialFiles(plan)
    files.update(trial)
    trial.reports.append({EER: 0.5})

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    told = r"cannot be written \(No space left on device\); make room and continue the sweep: nothing is lost"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(UserError, match=f"^{trial_folder(plan, 3) / 'metrics.jsonl'}: {told}"):
            files.update(trial)
    state.draw()
    state.report(0, 1, {EER: 0.5})
    (plan.folder / "sweep.yaml").unlink()
    monkeypatch.setattr("os.fsync", full)
    for write, name in ((lambda: write_best(plan, state), "best.yaml"), (lambda: write_plan(plan), "sweep.yaml")):
        with pytest.raises(UserError, match=f"^{plan.folder / name}: {told}"):
            write()
    state.close()


def test_hundreds_of_ended_trials_are_looked_through_in_seconds(plan: SweepPlan) -> None:
    trials = [Trial(n, {"model.glca.blocks": n % 3}, 0.0, "completed", reports=[{EER: 0.5}] * 9) for n in range(100)]
    for trial in trials:
        TrialFiles(plan).update(trial)
    before = time.process_time()
    for trial in trials:
        TrialFiles(plan).update(trial)
    assert time.process_time() - before < 2  # 0.4 s: 500 trials take two seconds of a start's ten


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


def test_a_lock_that_another_process_holds_stays(tmp_path: Path) -> None:
    lock = "import sys; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire()"
    hold = f"{lock}; print('held', flush=True); input()"
    cache = tmp_path / ".cache"

    def start() -> None:
        with taken_back_if_refused(cache):
            cache.mkdir()
            (cache / "ours.lock").touch()
            words = [sys.executable, "-c", hold, str(cache / "theirs.lock")]
            other = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            others.append(other)
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            raise UserError("an image is broken")

    others: list[subprocess.Popen[str]] = []
    with pytest.raises(UserError, match="an image is broken"):
        start()
    assert (cache / "theirs.lock").exists()
    others[0].communicate("\n")


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
