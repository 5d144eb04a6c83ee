"""Sweeps that are killed or stopped in the middle and go on."""

import json
import signal
from pathlib import Path

import psutil
from command_line import Store, Sweep, call, kill_tree, start, wait_until

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


def test_ctrl_c_says_how_to_continue_and_leaves_no_process(sweep: Sweep, tmp_path: Path) -> None:
    words = [word for word in sweep.words if not word.startswith("tracking")] + ["tracking=off"]
    process = start(*words, cwd=tmp_path)
    folder = tmp_path / "runs" / "glca_heads"
    wait_until(lambda: len(events(folder)) >= 3, 120, "the first reports")
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 130, err
    assert "python -m twinverify.tune resume=glca_heads" in out
    assert err == ""
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_finished_sweep_can_be_extended(sweep: Sweep, tmp_path: Path) -> None:
    short = [word for word in sweep.words if not word.startswith(("tracking", "trials"))]
    first = call(*short, "trials=2", "tracking=off", cwd=tmp_path)
    assert first.status == 0, first.err
    more = call("tune", "resume=glca_heads", "output=runs", "trials=3", cwd=tmp_path)
    assert more.status == 0, more.err
    longer = events(tmp_path / "runs" / "glca_heads")
    assert longer == events(sweep.folder)[: len(longer)]
    assert {number for _, number, *_ in longer} == {0, 1, 2}
