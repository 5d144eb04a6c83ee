"""Sweeps and trainings that are killed or stopped in the middle, and go on as if they never had been."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from command_line import SMALL, Store, Sweep, call, environment, kill_tree, start, wait_until
from sweep_processes import events, family_of, left_behind, parent_status, server

from twinverify.training.files import read_tensors

SOONER = 120


def with_own_store(sweep: Sweep, root: Path) -> tuple[list[str], Store]:
    """Give the words of the same sweep with another store."""
    store = Store(root / "store")
    return [word for word in sweep.words if not word.startswith("tracking")] + [f"tracking={store.uri}"], store


def assert_as_if_never_interrupted(sweep: Sweep, folder: Path, store: Store) -> None:
    """The very same values, metrics and decisions; one run a trial, no step lost or repeated."""
    assert events(folder) == events(sweep.folder)
    assert len(store.runs()) == len(sweep.store.runs())
    assert {run.info.status for run in store.runs()} == {"FINISHED"}
    for run, whole in zip(store.trials(), sweep.store.trials(), strict=True):
        assert run.data.tags["trial_state"] == whole.data.tags["trial_state"]
        for metric in whole.data.metrics:
            assert store.steps(run, metric) == sweep.store.steps(whole, metric)


def test_a_sweep_killed_again_and_again_ends_as_if_it_never_had_been(sweep: Sweep, tmp_path: Path) -> None:
    words, store = with_own_store(sweep, tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    chance = random.Random(3)
    # The first time the driver alone: what it started has to end by itself, before it could write anything more.
    process = start(*words, cwd=tmp_path)
    wait_until(lambda: len(events(folder)) >= 3, SOONER, "the first reports")
    family = family_of(process.pid)
    assert len(family) >= 5
    process.kill()
    process.communicate()
    assert psutil.wait_procs(family, timeout=10)[1] == []
    wait_until(lambda: not left_behind(folder), 10, "Ray's folder is gone")
    # Then the whole tree at three moments.
    for _ in range(3):
        seen = len(events(folder))
        process = start(*words, cwd=tmp_path)
        wait_until(lambda seen=seen: len(events(folder)) > seen, SOONER, "more events in the journal")
        time.sleep(chance.uniform(0, 1.5))
        kill_tree(process)
    done = call("tune", "resume=glca_heads", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    assert_as_if_never_interrupted(sweep, folder, store)
    assert left_behind(folder) == []


def signalled(family: list[psutil.Process], how: str, driver: int) -> None:
    """Send what a terminal or a cluster sends."""
    if how == "Ctrl-C in a terminal":
        os.killpg(driver, signal.SIGINT)
    elif how == "a closed terminal":
        os.killpg(driver, signal.SIGHUP)
        os.killpg(driver, signal.SIGHUP)
    else:  # Slurm's preemption tells every process of the job
        for each in [psutil.Process(driver), *family]:
            each.terminate()


def test_a_stop_says_how_to_continue_leaves_no_process_and_shows_in_mlflow(sweep: Sweep, tmp_path: Path) -> None:
    words, store = with_own_store(sweep, tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    for how in ("Ctrl-C in a terminal", "a closed terminal", "a cluster's preemption"):
        seen = len(events(folder))
        process = start(*words, cwd=tmp_path)
        wait_until(lambda seen=seen: len(events(folder)) > seen + 1, SOONER, "the first reports")
        family = family_of(process.pid)
        signalled(family, how, process.pid)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (130, ""), how
        assert out.count("continue with:") == 1, how
        assert "python -m twinverify.tune resume=glca_heads" in out
        assert psutil.wait_procs(family, timeout=5)[1] == [], how
        assert left_behind(folder) == [], how
        assert parent_status(store) == "KILLED", how
        assert "RUNNING" not in {run.info.status for run in store.runs()}, how

    # Nobody reads the rest.
    command = f"{sys.executable} -m twinverify.tune resume=glca_heads output=runs | head -n 1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert_as_if_never_interrupted(sweep, folder, store)


def test_a_second_ctrl_c_ends_it_at_once_even_if_ray_hangs(sweep: Sweep, tmp_path: Path) -> None:
    words = [word for word in sweep.words if not word.startswith("tracking")] + ["tracking=off"]
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    wait_until(lambda: len(events(folder)) >= 1, SOONER, "a trial")
    family = family_of(process.pid)
    server(family, "gcs_server").suspend()
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None, "it did not hang, so that this shows nothing"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=2)
    assert (process.returncode, err) == (130, "")
    assert out.splitlines()[-1].startswith("Interrupted; continue with:   python -m twinverify.tune resume=glca_heads")
    assert psutil.wait_procs(family, timeout=2)[1] == []
    wait_until(lambda: not left_behind(folder), 5, "Ray's folder is gone")


@pytest.mark.parametrize("seed", range(3))
def test_signals_at_any_moment_show_no_traceback_and_leave_no_process(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    words = ("tune", "space=glca_heads", "config=tiny", "trials=2", "epochs=1", "output=runs", "tracking=store", *SMALL)
    process = start(*words, cwd=tmp_path)
    # Thirds of a start: imports and data; Ray; training and the end.
    with suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.5 + 4 * seed, 4.5 + 4 * seed))
    ended = process.poll() is not None
    family = [] if ended else family_of(process.pid)
    for _ in range(seed):  # once, twice, three times
        process.send_signal(chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
        time.sleep(chance.uniform(0.3, 0.6))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0 if ended else 130, "")
    assert psutil.wait_procs(family, timeout=5)[1] == []
    wait_until(lambda: not left_behind(tmp_path / "runs" / "glca_heads"), 5, "nothing is left")


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
