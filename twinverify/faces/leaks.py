"""No person, no family and no picture on two sides of a split."""

from collections.abc import Mapping
from pathlib import Path

from twinverify.errors import UserError, counted, some
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.identical import identical_groups
from twinverify.faces.listing import Side


def check_no_leaks(whole: Catalogue, sides: Mapping[Side, Catalogue]) -> None:
    """Refuse a split that leaks.

    Args:
        whole: the data set that was split; its twin pairs decide what a family is.
        sides: the sides of the split.

    Raises:
        UserError: a person, a family or a byte-identical image is on two sides; the line names the first few.
    """
    people: dict[str, set[Side]] = {}
    families: dict[str, set[Side]] = {}
    images: dict[Path, Side] = {}
    for side, part in sides.items():
        for person in part.people:
            people.setdefault(person.id, set()).add(side)
            families.setdefault(whole.families.get(person.id, person.id), set()).add(side)
            images |= dict.fromkeys(person.images, side)
    _refuse(whole, "person", "people", [name for name, found in people.items() if len(found) > 1])
    _refuse(whole, "family", "families", [name for name, found in families.items() if len(found) > 1])
    copies = whole.identical if whole.identical is not None else identical_groups(images)
    torn = [group for group in copies if len({images[path] for path in group if path in images}) > 1]
    _refuse(whole, "byte-identical image", "byte-identical images", [_names(whole, group, images) for group in torn])


def _refuse(whole: Catalogue, noun: str, nouns: str, leaks: list[str]) -> None:
    if leaks:
        number = counted(len(leaks), noun, nouns)
        raise UserError(f"data {whole.root}: {number} on two sides of the split: {some(leaks)}")


def _names(whole: Catalogue, group: tuple[Path, ...], images: Mapping[Path, Side]) -> str:
    return " = ".join(f"{path.relative_to(whole.root)} ({images[path]})" for path in group if path in images)
