"""What is seen of a sweep while it runs: a live table on a terminal, lines elsewhere."""

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from twinverify.reports.live import LiveTable
from twinverify.search.plan import SweepPlan
from twinverify.search.state import SweepState

Tell = Callable[..., int]


def terminal(width: int = 80, height: int = 24) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, record=True)


def pipe() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=False)


def output(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_elsewhere_than_on_a_terminal_each_beginning_and_end_is_a_line(
    plan: SweepPlan, state: SweepState, tell: Tell
) -> None:
    console = pipe()
    live = LiveTable(console)
    for done in (0, 50, 100):
        live.preparing(done, 100)
    live.starting(plan, state)
    state.listeners.append(live.changed)
    tell(0.5, 0.3, 0.4, 0.4)
    tell(0.5, fails="[red]boom[/nope] and a cause that is longer than the eighty columns of this console")
    live.stopped()
    lines = output(console).splitlines()
    assert lines[:2] == ["100 images decoded.", "Starting Ray; 2 trials at once."]
    assert [line.split(":")[0] for line in lines[2:]] == [
        "trial 0 started",
        "trial 0 completed after 4 epochs",
        "trial 1 started",
        "trial 1 failed after 1 epochs",
    ]
    assert "[red]boom[/nope] and a cause that is longer than the eighty columns of this console" in lines[-1]
    assert "\x1b" not in output(console)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 40)])
def test_on_a_terminal_the_last_table_stays(
    plan: SweepPlan, state: SweepState, tell: Tell, width: int, height: int
) -> None:
    console = terminal(width, height)
    live = LiveTable(console)
    live.preparing(10, 100)
    live.preparing(100, 100)
    live.starting(plan, state)
    state.listeners.append(live.changed)
    for number in range(20):
        tell(*[0.5 - number / 100] * 4)
    tell(0.9, fails="[/] a cause")
    live.stopped()
    shown = output(console)
    assert "Sweep glca_heads" in shown
    last = shown[shown.rindex("Sweep glca_heads") :]
    assert "21 of 40 trials done" in last
    assert "[/] a cause" in last
    assert "trial 20 failed after" not in shown  # the table tells it


def test_after_stopping_the_terminal_is_as_before(plan: SweepPlan, state: SweepState) -> None:
    console = terminal()
    live = LiveTable(console)
    live.preparing(1, 2)
    live.starting(plan, state)
    live.stopped()
    shown = output(console)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") >= 1  # the cursor hidden is shown again
    assert console._live_stack == []


def test_stopping_while_images_are_decoded_leaves_no_progress_bar_behind() -> None:
    console = terminal()
    live = LiveTable(console)
    live.preparing(3, 100)
    live.stopped()
    live.stopped()
    assert console._live_stack == []
    assert output(console).count("\x1b[?25l") == output(console).count("\x1b[?25h")


def test_a_sweep_with_nothing_left_to_do_shows_nothing(plan: SweepPlan) -> None:
    for console in (terminal(), pipe()):
        live = LiveTable(console)
        live.stopped()
        assert output(console) == ""


@pytest.mark.parametrize("make", [terminal, pipe])
def test_what_befalls_a_sweep_is_one_line_each_with_a_terminal_and_without(
    plan: SweepPlan, state: SweepState, tell: Tell, make: Callable[[], Console]
) -> None:
    console = make()
    live = LiveTable(console)
    live.starting(plan, state)
    tell(0.5, 0.4)
    tell()
    told = [
        lambda: live.worker_died(state.trials[0], "killed [/by] the kernel", 1),
        lambda: live.worker_died(state.trials[1], "killed", 3),
        lambda: live.ray_restarts("raylet (killed by signal 9)"),
        lambda: live.dashboard("http://127.0.0.1:8265", Path("/tmp/[x]/token")),
        lambda: live.tracking_away("connection refused"),
        live.tracking_back,
    ]
    for each in told:
        # The one who delivers to MLflow tells it from a thread of its own.
        thread = threading.Thread(target=each)
        thread.start()
        thread.join()
    live.stopped()
    lines = [line.rstrip() for line in output(console).replace("\r", "\n").splitlines()]
    for line in (
        "trial 0: its worker died (killed [/by] the kernel); it goes on after epoch 2 (death 1 of at most 3)",
        "trial 1: its worker died (killed); it begins again (death 3 of at most 3)",
        "Ray: its server raylet (killed by signal 9) died; starting it anew, every trial goes on after its last epoch",
        "Ray's dashboard: http://127.0.0.1:8265 (it asks for the token in /tmp/[x]/token)",
        "MLflow is away (connection refused); the sweep goes on, results wait in its folder",
        "MLflow is back; all that waited is delivered",
    ):
        assert sum(shown.endswith(line) for shown in lines) == 1, line
