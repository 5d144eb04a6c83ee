"""Why a worker died, in few words."""

from pathlib import Path

import pytest

from twinverify.search.causes import cause_of_death

KILLED = """Failure # 1 (occurred at 2026-11-23_20-14-27)
The actor died unexpectedly before finishing this task.
	class_name: TrialActor
	pid: 16287
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit detail: Worker
unexpectedly exits. Some common causes include: (1) the process was killed by the OOM killer due to high memory usage.
"""
NOT_STARTED = """Failure # 1 (occurred at 2026-11-23_20-14-15)
The actor died because of an error raised in its creation task, ray::TrialActor.__init__() (pid=16088)
  File "trial.py", line 12, in setup
    import nothing
ModuleNotFoundError: No module named 'nothing'

"""


def test_a_worker_that_was_killed_leaves_no_words(tmp_path: Path) -> None:
    assert cause_of_death(KILLED, tmp_path) == "killed, perhaps for want of memory"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("*** SIGSEGV received at time=1795 on cpu 1 ***\nPC: @ 0x7f\n", "crashed: SIGSEGV"),
        ("Fatal Python error: Bus error\n\nThread 0x7f\n*** SIGBUS received at x\n", "crashed: Bus error"),
        (
            "terminate called after throwing\n  what():  CUDA error: device-side assert triggered\nCompile with x\n",
            "crashed: CUDA error: device-side assert triggered",
        ),
        ("UserWarning: something\n", "killed, perhaps for want of memory"),
    ],
)
def test_one_that_crashed_says_how_in_its_log(tmp_path: Path, words: str, cause: str) -> None:
    (tmp_path / "worker-abc-ffffffff-16287.err").write_text(words)
    (tmp_path / "worker-abc-ffffffff-1628.err").write_text("Fatal Python error: another worker's\n")
    assert cause_of_death(KILLED, tmp_path) == cause


def test_one_that_never_started_says_why(tmp_path: Path) -> None:
    assert cause_of_death(NOT_STARTED, tmp_path) == "ModuleNotFoundError: No module named 'nothing'"


def test_only_the_last_death_counts(tmp_path: Path) -> None:
    assert cause_of_death(NOT_STARTED + KILLED, tmp_path) == "killed, perhaps for want of memory"
    assert "nothing" in cause_of_death(KILLED + NOT_STARTED, tmp_path)


def test_nothing_told_is_said_so(tmp_path: Path) -> None:
    assert cause_of_death("", tmp_path) == "Ray does not say why"
