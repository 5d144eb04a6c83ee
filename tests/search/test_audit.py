"""An audit finds nothing in a sweep that was left alone, and names the one thing that was changed in another."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from changes import (
    Change,
    another_run,
    copy,
    deleted_run,
    event,
    flipped,
    folder_of_nobody,
    journal,
    move,
    of_epoch,
    put,
    remove,
    replaced,
    run_cut_off_before_its_tags,
    run_file,
    text,
    twice,
    without_last_line,
)
from mlflow import MlflowClient
from whole_sweep import WholeSweep, make_whole, scores_of_epoch

from twinverify.errors import UserError
from twinverify.search.audit.audit import Difference


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[WholeSweep, Path]:
    """A finished sweep of eight trials, and a copy to take it back from."""
    root = tmp_path_factory.mktemp("whole")
    whole = make_whole(root / "own", trials=8)
    shutil.copytree(root / "own", root / "copy")
    return whole, root / "copy"


@pytest.fixture
def sweep(made: tuple[WholeSweep, Path]) -> Iterator[WholeSweep]:
    """The sweep, to be changed at will."""
    whole, kept = made
    yield whole
    restore(whole.folder.parents[1], kept)


def restore(root: Path, kept: Path) -> None:
    """Make a folder what its copy is; only what was changed is written."""
    for path in root.rglob("*"):
        if not (kept / path.relative_to(root)).exists() and path.exists():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in kept.rglob("*"):
        place = root / path.relative_to(kept)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        elif not place.exists() or place.stat().st_mtime_ns != path.stat().st_mtime_ns:
            shutil.copy2(path, place)


METRIC = "metrics/val/twin_eer"

#: The change, and the one line that it makes.
CHANGES: dict[str, tuple[Change, str]] = {
    # -- the journal against itself
    "a value is altered": (
        journal(lambda events: put(events, "drawn", 5, values=event(events, "drawn", 4)["values"])),
        r"journal: line 21, trial 5, model.glca.local_ratio: expected 0\.\d+ as a replay draws it, found 0\.\d+",
    ),
    "a decision is altered": (
        journal(lambda events: put(events, "reported", 7, 1, then="continue")),
        "journal: line 26, trial 7, decision after epoch 1: expected pruned as a replay decides, found continue",
    ),
    "an epoch is missing": (
        journal(lambda events: events.remove(event(events, "reported", 1, 2))),
        "journal: line 9, trial 1: expected epoch 2, found epoch 3",
    ),
    "an epoch stands there twice": (
        journal(lambda events: twice(events, "reported", 1, 2)),
        "journal: line 10, trial 1: expected epoch 3, found epoch 2",
    ),
    "a trial is drawn twice": (
        journal(lambda events: twice(events, "drawn", 3)),
        "journal: line 15, trial 3: expected it to be drawn once, found that it is drawn again",
    ),
    "a draw is missing": (
        journal(lambda events: events.remove(event(events, "drawn", 6))),
        "journal: line 23, trial 6: expected the trial to be drawn before, found that it failed",
    ),
    "something follows an end": (
        journal(lambda events: events.append(event(events, "failed", 6))),
        "journal: line 27, trial 6: expected nothing after the trial's end, found that it failed",
    ),
    "an objective is not finite": (
        journal(lambda events: put(events, "reported", 3, 1, metrics={"val/twin_eer": float("inf")})),
        r"journal: journal\.jsonl: expected a whole event in each line, found .*, line 15: not a journal entry; .*",
    ),
    "a line is no event": (
        text("journal.jsonl", replaced('{"event":"drawn","trial":3', '{"event":"drawn"')),
        r"journal: journal.jsonl: expected a whole event in each line, found .*, line 14: not a journal entry.*",
    ),
    # -- the files
    "config.yaml is edited": (
        text("00003/config.yaml", replaced("seed: 0", "seed: 7")),
        "files: 00003/config.yaml: expected seed 0, found seed 7",
    ),
    "config.yaml is cut off": (
        text("00003/config.yaml", lambda text: text[: len(text) // 2] + "\n:"),
        "files: 00003/config.yaml: expected a configuration, found none (.*)",
    ),
    "config.yaml is missing": (
        remove("00003/config.yaml"),
        "files: 00003/config.yaml: expected a configuration, found no such file",
    ),
    "metrics.jsonl lacks an epoch": (
        text("00001/metrics.jsonl", without_last_line),
        "files: 00001/metrics.jsonl: expected epoch 4, found its end",
    ),
    "metrics.jsonl is cut in a line": (
        text("00001/metrics.jsonl", lambda text: text[:-9]),
        "files: 00001/metrics.jsonl, line 4: expected epoch 4, found no whole line",
    ),
    "metrics.jsonl has an epoch too many": (
        text("00001/metrics.jsonl", lambda text: text + '{"epoch": 5}\n'),
        "files: 00001/metrics.jsonl, line 5: expected the end, found epoch 5",
    ),
    "metrics.jsonl has another value": (
        text("00001/metrics.jsonl", replaced("0.602881", "0.5")),
        "files: 00001/metrics.jsonl, line 2: expected val/twin_eer 0.602881, found val/twin_eer 0.5",
    ),
    "metrics.jsonl is missing": (
        remove("00001/metrics.jsonl"),
        "files: 00001/metrics.jsonl: expected epochs 1 to 4, found no such file",
    ),
    "a trial's folder is missing in part": (
        move("00007/config.yaml", "00007/config.yml"),
        "files: 00007/config.yaml: expected a configuration, found no such file",
    ),
    "a folder belongs to no trial": (
        folder_of_nobody,
        "files: 00008: expected folders of 8 trials only, found a folder",
    ),
    "best.yaml is another trial's": (
        copy("00001/config.yaml", "best.yaml"),
        r"files: best.yaml: expected model.glca.heads 2, .*, found model.glca.heads 3, .*",
    ),
    "best.yaml is missing": (
        remove("best.yaml"),
        "files: best.yaml: expected a configuration, found no such file",
    ),
    "sweep.yaml is edited": (
        text("sweep.yaml", replaced("trials: 8", "trials: 9")),
        r"files: sweep.yaml: expected 'trials: 8' in line \d+, found 'trials: 9'",
    ),
    "space.yaml is missing": (
        remove("space.yaml"),
        "files: space.yaml: expected what the sweep was started with, found no such file",
    ),
    # -- the checkpoints: of trials 0, 4 and 5, the best three
    "a best checkpoint is missing": (
        remove("00004/best.safetensors"),
        "files: 00004/best.safetensors: expected a checkpoint, found no such file",
    ),
    "a last checkpoint is missing": (
        remove("00000/last.safetensors"),
        "files: 00000/last.safetensors: expected a checkpoint, found no such file",
    ),
    "a checkpoint is altered": (
        flipped("00004/best.safetensors"),
        "files: 00004/best.safetensors: expected a checkpoint that can be read, found .* does not fit its checksum",
    ),
    "a checkpoint is cut off": (
        lambda sweep: (sweep.folder / "00004/last.safetensors").write_bytes(b"1234"),
        "files: 00004/last.safetensors: expected a checkpoint that can be read, found .*",
    ),
    "a best checkpoint is of another epoch": (
        of_epoch("00004/best.safetensors", 2),
        "files: 00004/best.safetensors: expected the weights of epoch 4, found of epoch 2",
    ),
    "a last checkpoint is of an earlier epoch": (
        of_epoch("00004/last.safetensors", 3),
        "files: 00004/last.safetensors: expected the state after epoch 4, found after epoch 3",
    ),
    "a checkpoint has stayed": (
        copy("00004/best.safetensors", "00007/best.safetensors"),
        "files: 00007/best.safetensors: expected no such file any more, found one",
    ),
    "scores are cut off": (
        lambda sweep: (sweep.folder / "00007/scores.npz").write_bytes(b"PK12"),
        "files: 00007/scores.npz: expected scores that can be read, found cannot be read as scores .*",
    ),
    "scores are missing": (
        remove("00004/scores.npz"),
        "files: 00004/scores.npz: expected the scores of its best epoch, found no such file",
    ),
    "scores are of another epoch": (
        lambda sweep: scores_of_epoch(2).save(sweep.folder / "00004/scores.npz"),
        "files: 00004/scores.npz: expected the scores of epoch 4, found of epoch 2",
    ),
    "a previous checkpoint has stayed": (
        copy("00004/last.safetensors", "00004/previous.safetensors"),
        "files: 00004/previous.safetensors: expected no such file any more, found one",
    ),
    "a half written checkpoint has stayed": (
        copy("00004/last.safetensors", "00007/.last.safetensors.123"),
        "files: 00007/.last.safetensors.123: expected no such file any more, found one",
    ),
    # -- the MLflow runs
    "a step is missing": (
        run_file(1, METRIC, without_last_line),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found steps 1 to 3",
    ),
    "a step in the middle is missing": (
        run_file(1, METRIC, lambda text: "".join(text.splitlines(keepends=True)[::2])),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found steps 1, 3",
    ),
    "a step is there twice": (
        run_file(1, METRIC, lambda text: text + text.splitlines()[-1] + "\n"),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found steps 1, 2, 3, 4, 4",
    ),
    "the steps are in disorder": (
        run_file(1, METRIC, lambda text: "".join(reversed(text.splitlines(keepends=True)))),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found steps 4, 3, 2, 1",
    ),
    "a step too many": (
        run_file(1, METRIC, lambda text: text + "1795463289608 0.5 5\n"),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found steps 1 to 5",
    ),
    "a value is another": (
        run_file(1, METRIC, replaced("0.602881", "0.602882")),
        "MLflow: trial 1, val/twin_eer: expected 0.602881 at step 2, found 0.602882",
    ),
    "a time is another": (
        run_file(1, METRIC, lambda text: re.sub(r"^\d+", "1795463289608", text)),
        r"MLflow: trial 1, val/twin_eer: expected \d+ ms at step 1, found 1795463289608 ms",
    ),
    "a metric cannot be read": (
        run_file(1, METRIC, lambda text: text + "179"),
        "MLflow: trial 1, run [0-9a-f]{32}: expected a run that can be read, found .*",
    ),
    "a metric is missing": (
        lambda sweep: (sweep.run(1) / METRIC).unlink(),
        "MLflow: trial 1, val/twin_eer: expected steps 1 to 4, found no step",
    ),
    "a metric too many": (
        lambda sweep: shutil.copy(sweep.run(1) / METRIC, sweep.run(1) / "metrics/val/other"),
        "MLflow: trial 1, val/other: expected no step, found steps 1 to 4",
    ),
    "a run too many": (
        another_run(3),
        "MLflow: trial 3, its run: expected one, found 2: [0-9a-f]{32}, [0-9a-f]{32}",
    ),
    "a run is missing": (deleted_run(3), "MLflow: trial 3, its run: expected one, found none"),
    "a run of a trial that was never drawn": (
        run_file(7, "tags/trial", lambda text: "8"),
        "MLflow: run [0-9a-f]{32}: expected runs of 8 trials only, found trial 8",
    ),
    "a run without tags": (
        run_cut_off_before_its_tags,
        "MLflow: run f{32}: expected the sweep's tags, found none",
    ),
    "a run that cannot be read": (
        run_file(3, "meta.yaml", lambda text: ""),
        "MLflow: trial 3, run [0-9a-f]{32}: expected a run that can be read, found .*",
    ),
    "a second parent": (
        lambda sweep: (sweep.run(3) / "tags" / "trial").unlink(),
        "MLflow: the parent run: expected one, found 2: [0-9a-f]{32}, [0-9a-f]{32}",
    ),
    "no parent": (deleted_run(None), "MLflow: the parent run: expected one, found none"),
    "a run is below another parent": (
        run_file(3, "tags/mlflow.parentRunId", lambda text: "0" * 32),
        "MLflow: trial 3, its parent run: expected [0-9a-f]{32}, found 0{32}",
    ),
    "a status is another": (
        run_file(3, "meta.yaml", replaced("status: 3", "status: 4")),
        "MLflow: trial 3, status: expected FINISHED, found FAILED",
    ),
    "a state is another": (
        run_file(3, "tags/trial_state", lambda text: "completed"),
        "MLflow: trial 3, tag trial_state: expected pruned, found completed",
    ),
    "the parent's status is another": (
        run_file(None, "meta.yaml", replaced("status: 3", "status: 1")),
        "MLflow: the parent run's status: expected FINISHED, found RUNNING",
    ),
    "the parent tells of another best": (
        run_file(None, "tags/best_trial", lambda text: "9"),
        "MLflow: the parent run's tag best_trial: expected 4, found 9",
    ),
    "a parameter is another": (
        run_file(3, "params/model.glca.heads", lambda text: "4"),
        "MLflow: trial 3, parameter model.glca.heads: expected 3, found 4",
    ),
    "a parameter is missing": (
        lambda sweep: (sweep.run(3) / "params/model.glca.heads").unlink(),
        "MLflow: trial 3, parameter model.glca.heads: expected 3, found no such parameter",
    ),
    "a parameter too many": (
        lambda sweep: (sweep.run(2) / "params/model.glca.heads").write_text("3"),
        "MLflow: trial 2, parameter model.glca.heads: expected no such parameter, found 3",
    ),
    "the artifact is another": (
        run_file(3, "artifacts/config.yaml", replaced("seed: 0", "seed: 7")),
        "MLflow: trial 3, config.yaml: expected seed 0, found seed 7",
    ),
    "the artifact is missing": (
        lambda sweep: (sweep.run(3) / "artifacts/config.yaml").unlink(),
        "MLflow: trial 3, config.yaml: expected a configuration, found no such artifact",
    ),
    "the store is gone": (
        lambda sweep: shutil.rmtree(sweep.store.parent),
        "MLflow: the sweep's runs: expected a parent and 8 runs of trials, found none in .*, where no store is",
    ),
    "the experiment is gone": (
        lambda sweep: shutil.rmtree(sweep.store),
        "MLflow: the sweep's runs: expected a parent and 8 runs of trials, found none in .* no experiment .*",
    ),
}
#: What else follows from a change: the truth itself has become another.
FOLLOWS = {
    "a value is altered": r"(journal: line 21, trial 5, .*|files: 00005/config.yaml|MLflow: trial 5, .*): .*",
    "a decision is altered": r"(MLflow: trial 7, .*|MLflow: the parent run's .*|files: 00007/.*): .*",
    "a draw is missing": "journal: line 24, trial 7: expected trial 6 to be drawn next, found trial 7",
    "a second parent": "MLflow: trial 3, its run: expected one, found none",
    "a run of a trial that was never drawn": "MLflow: trial 7, its run: expected one, found none",
}


def test_of_a_sweep_that_was_left_alone_nothing_differs(sweep: WholeSweep) -> None:
    audit = sweep.audited()
    assert audit.differences == ()
    assert (audit.name, audit.trials, audit.reports, audit.tracked, audit.notes) == ("glca_heads", 8, 16, True, ())
    events = (sweep.folder / "journal.jsonl").read_text()
    assert all(word in events for word in ('"continue"', '"pruned"', '"completed"', '"failed"'))


@pytest.mark.parametrize("name", CHANGES)
def test_one_change_is_named_in_one_line(sweep: WholeSweep, name: str) -> None:
    change, line = CHANGES[name]
    change(sweep)
    lines = sweep.lines()
    assert sum(bool(re.fullmatch(line, found)) for found in lines) == 1, lines
    follows = FOLLOWS.get(name, "nothing")
    assert [found for found in lines if not re.fullmatch(f"{line}|{follows}", found)] == [], lines


@pytest.mark.parametrize("name", ["a step is there twice", "a run is missing", "a folder belongs to no trial"])
def test_differences_can_be_counted_by_kind_and_trial(sweep: WholeSweep, name: str) -> None:
    CHANGES[name][0](sweep)
    (found,) = sweep.audited().differences
    kinds = {"a step is there twice": ("MLflow", "repeated", 1), "a run is missing": ("MLflow", "lost", 3)}
    assert (found.place, found.kind, found.trial) == kinds.get(name, ("files", "orphaned", None))


def test_an_audit_changes_nothing(sweep: WholeSweep) -> None:
    root = sweep.folder.parents[1]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    sweep.audited()
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")} == before


def test_without_tracking_only_the_folder_is_compared(sweep: WholeSweep) -> None:
    shutil.rmtree(sweep.store.parent)
    audit = sweep.audited(tracking="off")
    assert (audit.differences, audit.tracked) == ((), False)


def test_runs_are_looked_for_where_one_says(sweep: WholeSweep, tmp_path: Path) -> None:
    shutil.copytree(sweep.store.parent, tmp_path / "elsewhere")
    shutil.rmtree(sweep.store.parent)
    assert sweep.lines(tracking=str(tmp_path / "elsewhere"))  # its artifacts were in the first place
    assert not any("config.yaml" not in line for line in sweep.lines(tracking=str(tmp_path / "elsewhere")))


def test_runs_in_a_database_are_compared_too(tmp_path: Path) -> None:
    sweep = make_whole(tmp_path, trials=2, tracking=f"sqlite:///{tmp_path}/runs.db")
    audit = sweep.audited()
    assert (audit.differences, audit.tracked) == ((), True)
    client = MlflowClient(f"sqlite:///{tmp_path}/runs.db")
    experiment = client.get_experiment_by_name(sweep.plan.options.experiment)
    (run,) = client.search_runs([experiment.experiment_id], "tags.trial = '1'")
    client.log_metric(run.info.run_id, "train/loss", 0.5, step=9)
    assert [line for line in sweep.lines() if "train/loss: expected" in line and ", 9" in line]
    client.delete_run(run.info.run_id)
    assert sweep.lines() == ["MLflow: trial 1, its run: expected one, found none"]


def test_a_store_that_cannot_be_reached_is_one_line(sweep: WholeSweep) -> None:
    with pytest.raises(UserError, match=r"tracking=http://127\.0\.0\.1:9: no server answers"):
        sweep.audited(tracking="http://127.0.0.1:9")


def test_a_spoilt_run_of_another_sweep_does_no_harm(sweep: WholeSweep) -> None:
    other = sweep.store / ("e" * 32)
    shutil.copytree(sweep.run(3), other)
    (other / "tags" / "sweep_id").write_text("another")
    (other / "meta.yaml").write_text("")
    assert sweep.lines() == []


def test_what_others_put_into_a_run_is_theirs(sweep: WholeSweep) -> None:
    client = MlflowClient(str(sweep.plan.options.tracking))
    client.log_metric(sweep.run(3).name, "mine", 1.0)
    client.set_tag(sweep.run(3).name, "looked at", "yes")
    assert sweep.lines() == []


def test_a_difference_is_one_printable_line() -> None:
    difference = Difference("files", "altered", "a\nb", "x", "\x1b[31m")
    assert str(difference) == "files: a\\nb: expected x, found \\x1b[31m"
