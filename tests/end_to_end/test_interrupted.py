"""Sweeps and trainings that are killed or stopped in the middle and go on."""

import json
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from command_line import SMALL, Store, Sweep, call, kill_tree, start, wait_until

from twinverify.training.files import read_tensors

_NOT_REPEATABLE = ("train/images_per_second", "system/memory_mib")


def events(folder: Path) -> list[tuple]:
    """Give what the journal tells but for clock and speed."""
    path = folder / "journal.jsonl"
    told = []
    for line in path.read_text().splitlines() if path.exists() else []:
        entry = json.loads(line)
        metrics = {key: value for key, value in entry.get("metrics", {}).items() if key not in _NOT_REPEATABLE}
        told.append(
            (entry["event"], entry["trial"], entry.get("epoch"), entry.get("then"), entry.get("values"), metrics)
        )
    return told


def test_a_killed_sweep_resumes_to_the_very_same_result(sweep: Sweep, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    words = [word for word in sweep.words if not word.startswith("tracking")] + [f"tracking={store.uri}"]
    folder = tmp_path / "runs" / "glca_heads"
    for lines in (4, 12):
        process = start(*words, cwd=tmp_path)
        wait_until(lambda lines=lines: len(events(folder)) >= lines, 120, f"{lines} events in the journal")
        kill_tree(process)
    done = call("tune", "resume=glca_heads", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    assert events(folder) == events(sweep.folder)
    assert len(store.runs()) == 9
    for run, whole in zip(store.trials(), sweep.store.trials(), strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.tags["trial_state"] == whole.data.tags["trial_state"]
        for metric in whole.data.metrics:
            assert store.steps(run, metric) == sweep.store.steps(whole, metric)


def parent_status(store: Store) -> str:
    (parent,) = [run for run in store.runs() if "trial" not in run.data.tags]
    return str(parent.info.status)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_stop_says_how_to_continue_leaves_no_process_and_shows_in_mlflow(
    sweep: Sweep, tmp_path: Path, stop: signal.Signals
) -> None:
    store = Store(tmp_path / "store")
    words = [word for word in sweep.words if not word.startswith("tracking")] + [f"tracking={store.uri}"]
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    wait_until(lambda: len(events(folder)) >= 3, 120, "the first reports")
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(stop)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert "python -m twinverify.tune resume=glca_heads" in out
    assert err == ""
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert parent_status(store) == "KILLED"
    assert "RUNNING" not in {run.info.status for run in store.runs()}

    done = call("tune", "resume=glca_heads", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    assert {run.info.status for run in store.runs()} == {"FINISHED"}
    assert events(folder) == events(sweep.folder)


def test_a_trial_whose_worker_is_killed_goes_on_from_its_last_epoch(sweep: Sweep, tmp_path: Path) -> None:
    words = [word for word in sweep.words if not word.startswith("tracking")] + ["tracking=off"]
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    wait_until(lambda: len(events(folder)) >= 3, 120, "the first reports")
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "TrialActor" in " ".join(child.cmdline())
    ]
    assert len(workers) == 1
    workers[0].kill()
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "failed" not in out
    assert events(folder) == events(sweep.folder)


def test_a_finished_sweep_can_be_extended(sweep: Sweep, tmp_path: Path) -> None:
    short = [word for word in sweep.words if not word.startswith(("tracking", "trials"))]
    first = call(*short, "trials=2", "tracking=off", cwd=tmp_path)
    assert first.status == 0, first.err
    more = call("tune", "resume=glca_heads", "output=runs", "trials=3", cwd=tmp_path)
    assert more.status == 0, more.err
    longer = events(tmp_path / "runs" / "glca_heads")
    assert longer == events(sweep.folder)[: len(longer)]
    assert {number for _, number, *_ in longer} == {0, 1, 2}


def epochs_of(folder: Path) -> list[dict]:
    """Give the reports that a training's newest checkpoint holds, speed included."""
    # Between two checkpoints only the previous one is there.
    for path in (folder / "last.safetensors", folder / "previous.safetensors"):
        with suppress(FileNotFoundError):
            return list(read_tensors(path)[1]["reports"])
    return []


def test_a_training_stopped_by_ctrl_c_goes_on_with_the_same_command(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    words = ("train", "config=tiny", "epochs=30", "threads=1", *SMALL, "output=out", "cache=cache")
    words = (*words, f"tracking={store.uri}")
    process = start(*words, cwd=tmp_path)
    wait_until(lambda: len(epochs_of(tmp_path / "out")) >= 3, 120, "three epochs")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert err == ""
    assert "same command goes on" in out.splitlines()[-1]
    before = epochs_of(tmp_path / "out")
    assert 2 <= len(before) < 30
    (run,) = store.runs("twin-verification-training")
    assert run.info.status == "KILLED"

    done = call(*words, cwd=tmp_path)
    assert done.status == 0, done.err
    after = epochs_of(tmp_path / "out")
    assert [report["epoch"] for report in after] == list(range(1, 31))
    # Speed included: they were not computed again.
    assert after[: len(before)] == before
    (run,) = store.runs("twin-verification-training")
    assert run.info.status == "FINISHED"
    for metric in ("train/loss", "train/images_per_second", "val/twin_eer"):
        assert store.steps(run, metric) == list(range(1, 31)), metric
    told = store.client.get_metric_history(run.info.run_id, "train/images_per_second")
    assert [entry.value for entry in told] == [report["metrics"]["train/images_per_second"] for report in after]
