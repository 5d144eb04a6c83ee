"""An audit draws and decides again what the journal tells, and looks at sweeps that have not ended."""

from pathlib import Path
from typing import Any

import pytest
from changes import event, journal, put
from whole_sweep import WholeSweep, make_whole

from twinverify.search.journal import read_journal
from twinverify.search.lock import locked
from twinverify.training.files import read_tensors, write_tensors


@pytest.fixture(scope="module")
def open_sweep(tmp_path_factory: pytest.TempPathFactory) -> WholeSweep:
    """An interrupted sweep of five trials: the last two have not ended."""
    return make_whole(tmp_path_factory.mktemp("open"), trials=5, leave_running=2, keep=1)


@pytest.fixture(scope="module")
def long_sweep(tmp_path_factory: pytest.TempPathFactory) -> WholeSweep:
    """Trials enough for TPE to draw by what it has seen."""
    return make_whole(tmp_path_factory.mktemp("long"), trials=12, tracking="off")


def test_draws_that_go_by_what_was_seen_are_repeated(long_sweep: WholeSweep) -> None:
    audit = long_sweep.audited()
    assert (audit.differences, audit.reports, audit.tracked) == ((), 21, False)


def test_a_draw_that_others_depend_on_is_told_alone(long_sweep: WholeSweep) -> None:
    path = long_sweep.folder / "journal.jsonl"
    before = path.read_text()
    try:
        journal(lambda events: put(events, "drawn", 9, values=event(events, "drawn", 8)["values"]))(long_sweep)
        lines = [line for line in long_sweep.lines() if line.startswith("journal")]
    finally:
        path.write_text(before)
    assert lines
    assert all(", trial 9, model.glca." in line for line in lines)


def test_what_is_drawn_under_other_versions_is_a_note(long_sweep: WholeSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = dict(long_sweep.plan.versions)
    monkeypatch.setattr("twinverify.search.audit.journal.installed_versions", lambda: versions | {"optuna": "9.9"})
    assert long_sweep.audited().notes == ()  # the same was drawn all the same
    monkeypatch.setattr("twinverify.search.study.make_sampler", _another_sampler)
    audit = long_sweep.audited()
    assert audit.differences == ()
    (note,) = audit.notes
    assert note.startswith("The draws could not be repeated here: optuna was ")
    assert note.endswith("now 9.9.")


def _another_sampler(name: str, seed: int, history: Any) -> Any:
    from optuna.samplers import RandomSampler

    return RandomSampler(seed=seed + 1)


@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_without_tpe_each_draw_is_judged_by_itself(tmp_path: Path, sampler: str) -> None:
    sweep = make_whole(tmp_path, trials=4, tracking="off", sampler=sampler, scheduler="none", epochs=1)
    assert sweep.lines() == []
    journal(lambda events: put(events, "drawn", 2, values=event(events, "drawn", 1)["values"]))(sweep)
    assert {found.trial for found in sweep.audited().differences if found.place == "journal"} == {2}


def test_an_interrupted_sweep_agrees(open_sweep: WholeSweep) -> None:
    audit = open_sweep.audited()
    assert (audit.differences, audit.notes) == ((), ())
    status = (open_sweep.run(4) / "meta.yaml").read_text()
    assert "status: 5" in status  # KILLED


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("last.safetensors", "files: 00004/last.safetensors: expected a checkpoint, found no such file"),
        ("best.safetensors", "files: 00004/best.safetensors: expected a checkpoint, found no such file"),
    ],
)
def test_a_running_trial_must_have_what_it_is_taken_up_from(open_sweep: WholeSweep, name: str, line: str) -> None:
    path = open_sweep.trial(4) / name
    path.rename(path.with_suffix(".away"))
    try:
        assert open_sweep.lines() == [line]
    finally:
        path.with_suffix(".away").rename(path)


def test_what_an_interruption_leaves_undone_is_said_to_be_mended_by_the_next_start(open_sweep: WholeSweep) -> None:
    path = open_sweep.folder / "best.yaml"
    before = path.read_text()
    path.unlink()
    try:
        audit = open_sweep.audited()
    finally:
        path.write_text(before)
    assert len(audit.differences) == 1
    assert audit.notes == ("Sweep glca_heads has not ended: its next start brings files and MLflow runs up to date.",)


def test_a_running_trial_may_be_ahead_of_its_report(open_sweep: WholeSweep) -> None:
    folder = open_sweep.trial(4)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    try:
        # Killed after the checkpoints of epoch 2, before its report; then between the renames of epoch 3.
        for name in ("last.safetensors", "best.safetensors"):
            tensors, values = read_tensors(folder / name)
            if "reports" in values:
                values["reports"] *= 2
                values["reports"][1] = values["reports"][1] | {"epoch": 2}
            write_tensors(folder / name, tensors, values | ({"epoch": 2} if "epoch" in values else {}))
        assert open_sweep.lines() == []
        (folder / "last.safetensors").rename(folder / "previous.safetensors")
        assert open_sweep.lines() == []
    finally:
        (folder / "previous.safetensors").unlink(missing_ok=True)
        for path, data in before.items():
            path.write_bytes(data)


def test_a_sweep_that_runs_now_is_said_to_and_its_running_trials_are_left_out(open_sweep: WholeSweep) -> None:
    (open_sweep.trial(4) / "metrics.jsonl").rename(open_sweep.trial(4) / "away")
    (open_sweep.trial(0) / "best.safetensors").rename(open_sweep.trial(0) / "away")
    (open_sweep.folder / "00005").mkdir()
    try:
        assert len(open_sweep.lines()) == 3
        with locked(open_sweep.folder):
            audit = open_sweep.audited()
    finally:
        (open_sweep.trial(4) / "away").rename(open_sweep.trial(4) / "metrics.jsonl")
        (open_sweep.trial(0) / "away").rename(open_sweep.trial(0) / "best.safetensors")
        (open_sweep.folder / "00005").rmdir()
    assert audit.differences == ()
    (note,) = audit.notes
    assert note.startswith("Sweep glca_heads is being run by process ")


@pytest.fixture(scope="module")
def sparing_sweep(tmp_path_factory: pytest.TempPathFactory) -> WholeSweep:
    """Half of those that would be stopped run to their end."""
    return make_whole(tmp_path_factory.mktemp("sparing"), trials=12, tracking="off", spare=0.5, grace_epochs=1)


def _spared(sweep: WholeSweep) -> list[tuple[int, int]]:
    return [(entry["trial"], entry["epoch"]) for entry in read_journal(sweep.folder) if entry.get("spared")]


def test_spared_trials_are_spared_again(sparing_sweep: WholeSweep) -> None:
    assert len(_spared(sparing_sweep)) >= 2
    assert sparing_sweep.lines() == []


def test_a_trial_that_should_not_or_should_have_been_spared_is_told(sparing_sweep: WholeSweep) -> None:
    (number, epoch), path = _spared(sparing_sweep)[0], sparing_sweep.folder / "journal.jsonl"
    before = path.read_text()
    told = (
        f"trial {number}, decision after epoch {epoch}: expected continue, spared as a replay decides, found continue"
    )
    stopped = next(e for e in read_journal(sparing_sweep.folder) if e.get("then") == "pruned")
    changes = {
        told: lambda events: event(events, "reported", number, epoch).pop("spared"),
        "pruned as a replay decides, found pruned, spared": lambda events: put(
            events, "reported", stopped["trial"], stopped["epoch"], spared=True
        ),
    }
    for line, change in changes.items():
        try:
            journal(change)(sparing_sweep)
            assert any(line in found for found in sparing_sweep.lines() if found.startswith("journal"))
        finally:
            path.write_text(before)
