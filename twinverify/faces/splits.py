"""Train, validation and test people, apart by family."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twinverify.errors import UserError, counted, some
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.leaks import check_no_leaks
from twinverify.faces.listing import SIDES, Side
from twinverify.settings import SplitSettings

#: From so many families on, the small sides get two families at least: unrelated people need two.
_ENOUGH_FOR_TWO = 6


@dataclass(frozen=True)
class Split:
    """The three sides of a data set. The test side stays sealed until a search is over."""

    train: Catalogue
    validation: Catalogue
    test: Catalogue


def split_families(catalogue: Catalogue, settings: SplitSettings) -> Split:
    """Split by family: the split that the data set brings, or shares of the shuffled families.

    Twin families and single people are shuffled and shared out apart, so that each side gets its part of both.

    Args:
        catalogue: the whole data set.
        settings: shares and seeds.

    Raises:
        UserError: there are too few families, a family of the given split straddles two sides, or byte-identical
            images lie on two sides.
    """
    members: dict[str, list[str]] = {}
    for person, family in catalogue.families.items():
        members.setdefault(family, []).append(person)
    given = _given_sides(catalogue, members)
    side_of = dict(given)
    rng = np.random.default_rng(settings.seed)
    for group in _twins_and_singles(members):
        free = [family for family in group if family not in side_of]
        if given:  # the data set decided on its pairs; these people have none
            side_of |= _share_out(free, settings, rng, least=0)
        elif free:
            _check_enough(catalogue, group, members)
            has_pairs = len(members[group[0]]) > 1
            least = _least(len(free)) if has_pairs or not catalogue.has_twins else 0
            side_of |= _share_out(free, settings, rng, least)
    if given and "validation" not in given.values():
        side_of |= _validation_out_of(given, members, settings, rng)
    if settings.reshuffle is not None:
        side_of |= _dealt_anew(side_of, members, settings.reshuffle)
    split = Split(*(catalogue.subset([p for f in side_of if side_of[f] == side for p in members[f]]) for side in SIDES))
    _check_sides(catalogue, split)
    check_no_leaks(catalogue, {side: getattr(split, side) for side in SIDES})
    return split


def _twins_and_singles(members: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    twins = sorted(family for family, people in members.items() if len(people) > 1)
    singles = sorted(family for family, people in members.items() if len(people) == 1)
    return twins, singles


def _given_sides(catalogue: Catalogue, members: Mapping[str, Sequence[str]]) -> dict[str, Side]:
    given = catalogue.given_split or {}
    side_of: dict[str, Side] = {}
    torn = []
    for family, people in members.items():
        sides = {given[person] for person in people if person in given}
        if len(sides) > 1:
            torn.append("-".join(people))
        elif sides:
            side_of[family] = sides.pop()
    if torn:
        raise UserError(
            f"data {catalogue.root}: the given split tears {counted(len(torn), 'family', 'families')} apart:"
            f" {some(torn)}. All members of a family belong on one side"
        )
    return side_of


def _share_out(
    families: Sequence[str], settings: SplitSettings, rng: np.random.Generator, least: int
) -> dict[str, Side]:
    """Give a side to each family: validation and test get their share, but `least` at least; training the rest."""
    order = [families[i] for i in rng.permutation(len(families))]
    test = max(least, round(settings.test * len(order)))
    validation = max(least, round(settings.validation * len(order)))
    while test + validation > len(order) - least:  # large shares of few families: leave some to train on
        test, validation = (test - 1, validation) if test > validation else (test, validation - 1)
    side_of: dict[str, Side] = dict.fromkeys(order, "train")
    side_of |= dict.fromkeys(order[:test], "test")
    side_of |= dict.fromkeys(order[test : test + validation], "validation")
    return side_of


def _least(families: int) -> int:
    return 2 if families >= _ENOUGH_FOR_TWO else 1


def _validation_out_of(
    given: Mapping[str, Side], members: Mapping[str, Sequence[str]], settings: SplitSettings, rng: np.random.Generator
) -> dict[str, Side]:
    """Give the training families of a given split that become validation families: their share, at least one or two."""
    side_of: dict[str, Side] = {}
    has_twins = any(len(people) > 1 for people in members.values())
    for group in _twins_and_singles(members):
        families = [family for family in group if given.get(family) == "train"]
        is_judged = bool(families) and (len(members[families[0]]) > 1 or not has_twins)
        least = min(_least(len(families)), len(families) - 1) if is_judged else 0
        number = max(least, round(settings.validation * len(families)))
        side_of |= {families[i]: "validation" for i in rng.permutation(len(families))[:number]}
    return side_of


def _dealt_anew(side_of: Mapping[str, Side], members: Mapping[str, Sequence[str]], seed: int) -> dict[str, Side]:
    """Deal the training and validation families anew, as many to each side as before; the test side is not touched.

    One split's luck is a source of variance like any other (Nagler et al. 2024, arXiv 2405.15393).
    """
    rng = np.random.default_rng(seed)
    anew: dict[str, Side] = {}
    for group in _twins_and_singles(members):
        free = [family for family in group if side_of[family] != "test"]
        order = [free[i] for i in rng.permutation(len(free))]
        judged = sum(side_of[family] == "validation" for family in free)
        anew |= dict.fromkeys(order[:judged], "validation") | dict.fromkeys(order[judged:], "train")
    return anew


def _check_enough(catalogue: Catalogue, group: Sequence[str], members: Mapping[str, Sequence[str]]) -> None:
    has_pairs = len(members[group[0]]) > 1
    if has_pairs and len(group) < 3:
        raise UserError(
            f"data {catalogue.root}: has {counted(len(group), 'twin family', 'twin families')}; at least 3 are needed,"
            " one each for train, validation and test"
        )
    if not catalogue.has_twins and len(group) < _ENOUGH_FOR_TWO:
        raise UserError(
            f"data {catalogue.root}: has {counted(len(group), 'person', 'people')} and no twins;"
            f" at least {_ENOUGH_FOR_TWO} people are needed, two each for train, validation and test"
        )


def _check_sides(catalogue: Catalogue, split: Split) -> None:
    """Every side must be able to do its work; a given split may fail to."""
    for side in SIDES:
        part: Catalogue = getattr(split, side)
        if len(part.people) < 2:
            raise UserError(f"data {catalogue.root}: {_few(part)} for {side}; at least 2 people are needed there")
        if catalogue.has_twins and side != "train" and not part.has_twins:
            raise UserError(f"data {catalogue.root}: no twin family for {side}; at least one is needed there")


def _few(part: Catalogue) -> str:
    ids: Iterable[str] = (person.id for person in part.people)
    return f"only {some(ids)}" if part.people else "nobody"
