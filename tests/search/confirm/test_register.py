from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.search.confirm.register import FOLDER, Asked, Opening, Seal, finished


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


def test_a_test_side_that_shares_people_with_an_opened_one_is_refused(tmp_path: Path):
    first = Seal(tmp_path, "abc", people=["p1 p2", "q1", "r1"])
    opening = first.finish(first.open(ask(), again=False))
    other = Seal(tmp_path, "abd", people=["p2 p3", "q1", "s1"])
    for attempt in (
        lambda: other.refuse_if_opened("id of pwca", again=False),
        lambda: other.open(ask("pwca"), again=False),
    ):
        with pytest.raises(UserError) as told:
            attempt()
        for fact in ("2 of its 3 people", opening.opened, "sweep glca (opening 1)", "/runs/glca/", "as opening 2"):
            assert fact in str(told.value)
        assert "\n" not in str(told.value)
    assert other.openings() == []


def test_with_again_it_is_stamped_as_one_more_than_any_that_met_them(tmp_path: Path):
    people = [["p"], ["q"], ["p", "q"]]
    for digest, some in zip(("abc", "abd"), people, strict=False):
        seal = Seal(tmp_path, digest, people=some)
        seal.finish(seal.open(ask(), again=False))
    Seal(tmp_path, "abd", people=["q"]).open(ask(), again=True)
    both = Seal(tmp_path, "abe", people=people[2])
    both.refuse_if_opened("id of pwca", again=True)
    opening = both.open(ask("pwca"), again=True)
    assert opening.number == 3
    assert Seal(tmp_path, "abe", people=people[2]).open(ask("pwca"), again=False) == opening  # killed: to be finished


def test_an_opening_that_did_not_finish_has_shown_its_people_too(tmp_path: Path):
    Seal(tmp_path, "abc", people=["p", "q"]).open(ask(), again=False)
    with pytest.raises(UserError, match=r"1 of its 2 people .* which did not finish"):
        Seal(tmp_path, "abd", people=["q", "r"]).refuse_if_opened("id of glca", again=False)


def test_other_people_are_a_fresh_test(tmp_path: Path):
    first = Seal(tmp_path, "abc", people=["p", "q"])
    first.finish(first.open(ask(), again=False))
    assert Seal(tmp_path, "abd", people=["r", "s"]).open(ask("pwca"), again=False).number == 1


def test_another_sides_damaged_register_is_no_permission(tmp_path: Path):
    opened(tmp_path)
    (tmp_path / FOLDER / "abc.yaml").write_text("format: 1\ntest: abc\npeople: 3\n")
    with pytest.raises(UserError, match=r"abc\.yaml.*restore it"):
        Seal(tmp_path, "abd", people=["p"]).refuse_if_opened("id of pwca", again=False)


def test_a_register_from_before_people_were_named_still_knows_its_own_side(tmp_path: Path):
    opened(tmp_path)
    path = tmp_path / FOLDER / "abc.yaml"
    path.write_text(path.read_text().replace("people: []\n", ""))
    with pytest.raises(UserError, match="opened already"):
        Seal(tmp_path, "abc", people=["p"]).open(ask(), again=False)
    assert Seal(tmp_path, "abc", people=["p"]).open(ask(), again=True).number == 2
    with pytest.raises(UserError, match="1 of its 1 people"):
        Seal(tmp_path, "abd", people=["p"]).open(ask("pwca"), again=False)


def test_a_kill_between_the_result_and_the_register_is_scored_again_under_the_same_number(tmp_path: Path):
    done = finished(Seal(tmp_path, "abc").open(ask(), again=False))  # written into the sweep's results, then killed
    seal = Seal(tmp_path, "abc", [done])
    seal.refuse_if_opened("id of glca", again=False)
    again = seal.open(ask(), again=False)
    assert (again.number, again.finished) == (1, None)
    written = finished(again)
    assert seal.finish(written) == written == seal.openings()[0]
