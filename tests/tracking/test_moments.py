"""When an epoch was reported, and what the machine did: told again as it was told first."""

from pathlib import Path

from twinverify.tracking.moments import Moments


def test_an_epoch_that_is_told_again_keeps_its_time_and_figures(tmp_path: Path) -> None:
    file = tmp_path / "moments.jsonl"
    first = Moments(file)
    told = [first.of(epoch, lambda: {"system/cpu_utilization_percentage": 40.0}) for epoch in (1, 2)]
    again = Moments(file)
    assert [again.of(epoch, lambda: {"system/cpu_utilization_percentage": 99.0}) for epoch in (1, 2)] == told
    assert again.of(3, dict).at >= told[1].at


def test_a_line_that_a_kill_cut_off_costs_that_epoch_only(tmp_path: Path) -> None:
    file = tmp_path / "moments.jsonl"
    first = Moments(file)
    told = [first.of(epoch, lambda: {"system/a": 1.0}) for epoch in (1, 2)]
    file.write_bytes(file.read_bytes()[:-9])
    second = Moments(file)
    second.of(2, lambda: {"system/a": 2.0})
    third = Moments(file)
    assert third.of(1, dict) == told[0]
    assert third.of(2, dict).machine == {"system/a": 2.0}
