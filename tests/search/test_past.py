"""Reading a sweep that may be running: nothing is written, nothing is locked."""

import multiprocessing
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from planning import Planned, opened

from twinverify.errors import UserError
from twinverify.search.lock import locked
from twinverify.search.past import find_sweep, read_past, runner


def test_a_sweep_is_read_while_it_is_written_and_nothing_changes(started: Planned) -> None:
    plan = started(space="glca_heads")
    state = opened(plan)
    state.draw()
    state.report(0, 1, {plan.objective: 0.4})
    with (plan.folder / "journal.jsonl").open("ab") as file:
        file.write(b'{"event":"reported","tri')  # half a line, as another process is just writing it
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in plan.folder.iterdir()}
    past = read_past(plan.folder)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in plan.folder.iterdir()} == before
    assert (past.name, past.stored.sweep_id) == ("glca_heads", plan.sweep_id)
    assert [(trial.number, trial.epoch) for trial in past.state.trials] == [(0, 1)]
    assert past.state.best() is not None
    assert (past.state.objective, past.state.epochs) == (plan.objective, plan.config.train.epochs)
    state.close()


def test_a_sweep_is_found_by_its_name(started: Planned) -> None:
    plan = started(space="glca_heads")
    output = plan.folder.parent
    assert find_sweep("glca_heads", output) == plan.folder
    with pytest.raises(UserError, match=r"sweep glca_head: not in .*; did you mean glca_heads\?"):
        find_sweep("glca_head", output)


@pytest.mark.parametrize("name", ["..", ".", "", "other/glca_heads", "/etc"])
def test_a_sweep_is_never_looked_for_elsewhere(started: Planned, name: str) -> None:
    output = started(space="glca_heads").folder.parent
    with pytest.raises(UserError, match=r"known: glca_heads|did you mean glca_heads\?"):
        find_sweep(name, output)


def test_where_there_are_none_yet_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there are none yet"):
        find_sweep("glca_heads", tmp_path / "nowhere")


def test_who_runs_a_sweep_is_told_and_he_is_not_hindered(tmp_path: Path) -> None:
    assert runner(tmp_path) is None
    with locked(tmp_path):
        assert (runner(tmp_path) or "").startswith("process ")
        (tmp_path / ".owner").write_text("proc\x1b[")
        assert runner(tmp_path) == "another process"
        (tmp_path / ".owner").unlink()
        assert runner(tmp_path) == "another process"
    assert runner(tmp_path) is None
    with locked(tmp_path):
        pass


def _hold(folder: Path, held: Event, enough: Event) -> None:
    with locked(folder):
        held.set()
        enough.wait(30)


def test_the_runner_may_be_another_process(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held, enough = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(tmp_path, held, enough))
    process.start()
    assert held.wait(30)
    told = runner(tmp_path)
    enough.set()
    process.join(30)
    assert (told or "").startswith(f"process {process.pid} on ")
    assert runner(tmp_path) is None
