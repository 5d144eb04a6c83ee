from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue, Person
from twinverify.faces.leaks import check_no_leaks
from twinverify.faces.listing import SIDES, Side
from twinverify.faces.splits import Split, split_families
from twinverify.settings import SplitSettings

ROOT = Path("/faces")


def catalogue(*families: int, given_split: dict[str, Side] | None = None) -> Catalogue:
    """Make families of so many people each; they are chains: a-b, b-c."""
    people: list[Person] = []
    pairs = []
    for number, size in enumerate(families):
        ids = [f"{number:03d}{letter}" for letter in "abcdefgh"[:size]]
        people += [Person(id, (ROOT / id / "1.png", ROOT / id / "2.png")) for id in ids]
        pairs += list(pairwise(ids))
    return Catalogue("made", ROOT, tuple(people), tuple(pairs), given_split, identical=())


def ids(part: Catalogue) -> set[str]:
    return {person.id for person in part.people}


def sides(split: Split) -> list[set[str]]:
    return [ids(getattr(split, side)) for side in SIDES]


shares = st.floats(0.05, 0.44)


@settings(max_examples=150, deadline=None)
@given(
    twins=st.lists(st.integers(2, 4), min_size=3, max_size=40),
    singles=st.integers(0, 20),
    validation=shares,
    test=shares,
    seed=st.integers(0, 2**31),
)
def test_a_split_by_family_never_leaks_and_each_side_can_do_its_work(
    twins: list[int], singles: int, validation: float, test: float, seed: int
) -> None:
    whole = catalogue(*twins, *[1] * singles)
    split = split_families(whole, SplitSettings(validation=validation, test=test, seed=seed))
    assert sum(len(side) for side in sides(split)) == len(whole.people)
    assert set.union(*sides(split)) == ids(whole)
    for family in set(whole.families.values()):
        members = {id for id, of in whole.families.items() if of == family}
        assert sum(bool(members & side) for side in sides(split)) == 1, family
    least = 2 if len(twins) >= 6 else 1
    for part in (split.train, split.validation, split.test):
        assert len({part.families[a] for a, _ in part.twin_pairs}) >= least


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(SIDES), min_size=12, max_size=30), st.integers(0, 12), st.integers(0, 99))
def test_a_given_split_is_kept_and_the_people_it_leaves_out_never_move_anyone(
    family_sides: list[Side], singles: int, seed: int
) -> None:
    family_sides[:3] = SIDES
    given_split: dict[str, Side] = {}
    for number, side in enumerate(family_sides):
        given_split |= {f"{number:03d}a": side, f"{number:03d}b": side}
    whole = catalogue(*[2] * len(family_sides), *[1] * singles, given_split=given_split)
    split = split_families(whole, SplitSettings(seed=seed))
    for side in SIDES:
        assert {id for id, of in given_split.items() if of == side} <= ids(getattr(split, side))
    assert sum(len(side) for side in sides(split)) == len(whole.people)


def test_the_shares_are_those_of_the_families() -> None:
    split = split_families(catalogue(*[2] * 100), SplitSettings(validation=0.2, test=0.1))
    assert [len(side) for side in sides(split)] == [140, 40, 20]


def test_single_people_are_shared_out_like_families() -> None:
    split = split_families(catalogue(*[2] * 10, *[1] * 20), SplitSettings(validation=0.2, test=0.1))
    singles = [
        sum(part.families[person.id] >= "010" for person in part.people) for part in (split.validation, split.test)
    ]
    assert singles == [4, 2]


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    whole = catalogue(*[2] * 30)
    first, again, other = (split_families(whole, SplitSettings(seed=seed)) for seed in (1, 1, 2))
    assert sides(first) == sides(again)
    assert sides(first) != sides(other)


def test_validation_is_split_off_the_training_families_where_only_the_test_is_given() -> None:
    given_split: dict[str, Side] = {f"{n:03d}{x}": "test" if n < 5 else "train" for n in range(25) for x in "ab"}
    split = split_families(catalogue(*[2] * 25, given_split=given_split), SplitSettings(validation=0.2))
    assert ids(split.test) == {id for id, side in given_split.items() if side == "test"}
    assert len(ids(split.validation)) == 2 * 4
    assert len(ids(split.train)) == 2 * 16


def test_without_twins_every_side_has_two_people() -> None:
    split = split_families(catalogue(*[1] * 6), SplitSettings())
    assert [len(side) for side in sides(split)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("whole", "told"),
    [
        (catalogue(2, 2), "has 2 twin families; at least 3 are needed, one each for train, validation and test"),
        (catalogue(2, *[1] * 50), "has 1 twin family; at least 3 are needed"),
        (catalogue(*[1] * 5), "has 5 people and no twins; at least 6 people are needed"),
        (
            catalogue(2, 2, 2, given_split={"000a": "train", "000b": "train", "001a": "train", "001b": "train"}),
            "nobody for test; at least 2 people are needed there",
        ),
        (
            catalogue(2, 1, 1, 1, 1, given_split={"000a": "train", "000b": "train"} | dict.fromkeys(
                ("001a", "002a"), "validation") | dict.fromkeys(("003a", "004a"), "test")),
            "no twin family for validation; at least one is needed there",
        ),
        (
            catalogue(3, 2, 2, given_split={"000a": "train", "000b": "train", "000c": "test", "001a": "test"}),
            "the given split tears 1 family apart: 000a-000b-000c",
        ),
    ],
)  # fmt: skip
def test_a_split_that_cannot_be_is_refused_with_what_is_needed(whole: Catalogue, told: str) -> None:
    with pytest.raises(UserError) as caught:
        split_families(whole, SplitSettings())
    assert told in str(caught.value)


def test_a_person_on_two_sides_is_a_leak() -> None:
    whole = catalogue(2, 2)
    with pytest.raises(UserError, match="1 person on two sides of the split: 000a"):
        check_no_leaks(whole, {"train": whole.subset(["000a", "000b"]), "test": whole.subset(["000a"])})


def test_a_family_on_two_sides_is_a_leak() -> None:
    whole = catalogue(2, 2)
    with pytest.raises(UserError, match="1 family on two sides of the split: 000a"):
        check_no_leaks(whole, {"train": whole.subset(["000a", "001a", "001b"]), "test": whole.subset(["000b"])})


def test_a_byte_identical_image_across_sides_is_a_leak_and_within_a_side_is_none(tmp_path: Path) -> None:
    people = []
    for id in ("a", "b", "c"):
        (tmp_path / id).mkdir()
        images = (tmp_path / id / "1.png", tmp_path / id / "2.png")
        images[0].write_bytes(b"same picture")
        images[1].write_bytes(b"own picture " + id.encode())
        people.append(Person(id, images))
    whole = Catalogue("made", tmp_path, tuple(people))
    with pytest.raises(UserError, match=r"1 byte-identical image on two sides.*a/1.png \(train\) = .*c/1.png \(test\)"):
        check_no_leaks(whole, {"train": whole.subset(["a", "b"]), "test": whole.subset(["c"])})
    check_no_leaks(whole, {"train": whole.subset(["a", "b", "c"]), "test": whole.subset([])})


@settings(max_examples=60, deadline=None)
@given(
    twins=st.integers(6, 30),
    singles=st.integers(0, 12),
    seed=st.integers(0, 99),
    reshuffle=st.integers(0, 2**31),
    brings_test=st.booleans(),
)
def test_a_reshuffle_deals_training_and_validation_anew_and_never_touches_the_test_side(
    twins: int, singles: int, seed: int, reshuffle: int, brings_test: bool
) -> None:
    given_split: dict[str, Side] = {f"{number:03d}{letter}": "test" for number in range(2) for letter in "ab"}
    given_split |= {f"{number:03d}{letter}": "train" for number in range(2, twins) for letter in "ab"}
    whole = catalogue(*[2] * twins, *[1] * singles, given_split=given_split if brings_test else None)
    before = split_families(whole, SplitSettings(seed=seed))
    after = split_families(whole, SplitSettings(seed=seed, reshuffle=reshuffle))
    assert ids(after.test) == ids(before.test)
    assert [len(side) for side in sides(after)] == [len(side) for side in sides(before)]
    for family in set(whole.families.values()):
        members = {id for id, of in whole.families.items() if of == family}
        assert sum(bool(members & side) for side in sides(after)) == 1, family
    assert after == split_families(whole, SplitSettings(seed=seed, reshuffle=reshuffle))


def test_each_reshuffle_gives_other_validation_families() -> None:
    whole = catalogue(*[2] * 40)
    seen = [ids(split_families(whole, SplitSettings(reshuffle=number)).validation) for number in range(5)]
    assert len({frozenset(each) for each in seen}) == 5
