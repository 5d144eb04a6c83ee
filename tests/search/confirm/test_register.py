from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.search.confirm.register import FOLDER, Asked, Opening, Seal


def ask(sweep: str = "glca", winner: str = "w1") -> Asked:
    return Asked(sweep, f"id of {sweep}", winner, "d1", "0.3.0", f"/runs/{sweep}/sealed_test.yaml")


def opened(folder: Path, sweep: str = "glca", **options: bool) -> Opening:
    seal = Seal(folder, "abc")
    return seal.finish(seal.open(ask(sweep), again=options.get("again", False)))


def test_the_first_opening_is_number_one_and_lies_beside_the_sweeps(tmp_path: Path):
    first = opened(tmp_path)
    assert (first.number, first.sweep) == (1, "glca")
    assert (tmp_path / FOLDER / "abc.yaml").exists()
    assert Seal(tmp_path, "abc").openings() == [first]


def test_a_second_opening_is_refused_with_when_by_whom_and_where(tmp_path: Path):
    first = opened(tmp_path)
    with pytest.raises(UserError) as told:
        Seal(tmp_path, "abc").open(ask("pwca"), again=False)
    for fact in (first.opened, "sweep glca", "/runs/glca/sealed_test.yaml", "again=true", "opening 2"):
        assert fact in str(told.value)
    assert "\n" not in str(told.value)


def test_again_stamps_the_number(tmp_path: Path):
    opened(tmp_path)
    assert opened(tmp_path, again=True).number == 2
    assert opened(tmp_path, sweep="pwca", again=True).number == 3


def test_a_killed_opening_is_finished_without_again(tmp_path: Path):
    begun = Seal(tmp_path, "abc").open(ask(), again=False)
    seal = Seal(tmp_path, "abc")
    seal.refuse_if_opened("id of glca", again=False)
    assert seal.open(ask(), again=False) == begun
    assert seal.finish(begun).number == 1


def test_a_killed_opening_is_not_finished_by_another_sweep_nor_for_another_winner(tmp_path: Path):
    Seal(tmp_path, "abc").open(ask(), again=False)
    with pytest.raises(UserError, match="which did not finish"):
        Seal(tmp_path, "abc").refuse_if_opened("id of pwca", again=False)
    with pytest.raises(UserError, match="opened already"):
        Seal(tmp_path, "abc").open(ask(winner="w2"), again=False)


def test_a_killed_second_opening_stays_the_second(tmp_path: Path):
    opened(tmp_path)
    Seal(tmp_path, "abc").open(ask(), again=True)
    assert opened(tmp_path, again=True).number == 2


def test_known_to_be_opened_it_is_refused_before_anything(tmp_path: Path):
    opened(tmp_path)
    with pytest.raises(UserError, match="opened already"):
        Seal(tmp_path, "abc").refuse_if_opened("id of glca", again=False)
    Seal(tmp_path, "abc").refuse_if_opened("id of glca", again=True)


def test_another_test_side_is_another_seal(tmp_path: Path):
    opened(tmp_path)
    Seal(tmp_path, "abd").refuse_if_opened("id of pwca", again=False)


def test_a_lost_register_is_made_up_for_by_the_sweeps_own_results(tmp_path: Path):
    first = opened(tmp_path)
    (tmp_path / FOLDER / "abc.yaml").unlink()
    seal = Seal(tmp_path, "abc", [first])
    with pytest.raises(UserError, match="opened already"):
        seal.open(ask(), again=False)
    assert seal.open(ask(), again=True).number == 2
    assert [each.number for each in Seal(tmp_path, "abc").openings()] == [1, 2]


def test_a_damaged_register_is_no_permission(tmp_path: Path):
    opened(tmp_path)
    (tmp_path / FOLDER / "abc.yaml").write_text("format: 1\ntest: abc\nopenings: 3\n")
    with pytest.raises(UserError, match=r"abc\.yaml.*restore it"):
        Seal(tmp_path, "abc").refuse_if_opened("id of glca", again=False)
