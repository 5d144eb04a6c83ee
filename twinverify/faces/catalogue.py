"""People, families and images: a data set as the rest of twinverify knows it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from twinverify.errors import UserError, counted, some
from twinverify.faces.identical import identical_groups
from twinverify.faces.layouts import read_layout
from twinverify.faces.listing import Listing, Side
from twinverify.faces.pairs_file import ND_PREFIX


@dataclass(frozen=True)
class Person:
    """One identity and its images: absolute paths, sorted."""

    id: str
    images: tuple[Path, ...]


@dataclass(frozen=True)
class Catalogue:
    """A data set, or one side of it.

    Attributes:
        name: what to call it ("orl", "synthetic").
        root: the folder below which all images lie; absolute.
        people: sorted by id.
        twin_pairs: each unordered pair once, a < b, sorted.
        given_split: person id -> side, where the data set brings a split. People whom it leaves out (general
            impostors) are spread over the sides; without anyone on the validation side, validation families are split
            off the training families.
        notes: one-line facts that the user should be told.
        identical: groups of byte-identical images; None = not looked for yet.
    """

    name: str
    root: Path
    people: tuple[Person, ...]
    twin_pairs: tuple[tuple[str, str], ...] = ()
    given_split: Mapping[str, Side] | None = None
    notes: tuple[str, ...] = ()
    identical: tuple[tuple[Path, ...], ...] | None = None

    @cached_property
    def families(self) -> dict[str, str]:
        """Person id -> family id (its smallest person id); a family is a connected component of the twin pairs."""
        return _connected([person.id for person in self.people], self.twin_pairs)

    @cached_property
    def image_paths(self) -> tuple[Path, ...]:
        """All images, person by person."""
        return tuple(path for person in self.people for path in person.images)

    @property
    def has_twins(self) -> bool:
        """Whether there is at least one twin pair."""
        return bool(self.twin_pairs)

    def subset(self, ids: Collection[str]) -> "Catalogue":
        """Give the catalogue of some of the people, with the pairs that lie wholly among them."""
        keep = frozenset(ids)
        people = tuple(person for person in self.people if person.id in keep)
        pairs = tuple(pair for pair in self.twin_pairs if keep.issuperset(pair))
        given = self.given_split and {id: side for id, side in self.given_split.items() if id in keep}
        identical = _within(self.identical, people) if self.identical is not None else None
        return replace(self, people=people, twin_pairs=pairs, given_split=given, identical=identical)


def read_catalogue(folder: Path, pairs: Path | None = None) -> Catalogue:
    """Read a folder of faces.

    Layouts, the first whose mark is there: `train_` and `test_dataset_infor.json` + `train_` and
    `test_twin_pairs.json`; `dataset_infor.json` or `id_to_images.json` + `twin_pairs_infor.json` (a list of pairs, or
    `{"train": …, "val": …, "test": …}`); `TwinsPairTable.csv` beside one folder a person; one folder a person with one
    JSON or CSV file of pairs, or none.

    Args:
        folder: the data folder.
        pairs: a JSON or CSV file of pairs in place of the layout's own.

    Raises:
        UserError: something is missing, malformed or contradictory; the line names the first few and their number.
    """
    if not folder.is_dir():
        raise UserError(f"data {folder}: {'is a file; a folder is expected' if folder.exists() else 'no such folder'}")
    try:
        return _catalogue(folder.resolve(), read_layout(folder, pairs))
    except OSError as error:
        raise UserError(f"data {folder}: {error.filename} cannot be read ({error.strerror})") from None


def _catalogue(root: Path, listing: Listing) -> Catalogue:
    notes = list(listing.notes)
    people = _people(root, listing, notes)
    pairs = _pairs(root, listing)
    identical = identical_groups(path for person in people for path in person.images)
    notes += _notes_on_pairs(people, pairs) + _notes_on_copies(root, people, identical)
    given = _given_split(root, listing.sides)
    return Catalogue(root.name, root, people, pairs, given, tuple(notes), identical)


def _people(root: Path, listing: Listing, notes: list[str]) -> tuple[Person, ...]:
    people = tuple(Person(id, tuple(sorted(set(paths)))) for id, paths in sorted(listing.images.items()))
    repeats = {id: len(paths) - len(set(paths)) for id, paths in listing.images.items() if len(paths) > len(set(paths))}
    if repeats and not _people_on_two_sides(listing.sides):
        listed = counted(sum(repeats.values()), "image")
        notes.append(f"{listed} listed twice for the same person, counted once ({some(sorted(repeats))})")
    poor = [f"{person.id} ({len(person.images)})" for person in people if len(person.images) < 2]
    if poor:
        raise UserError(
            f"data {root}: {counted(len(poor), 'person has', 'people have')} fewer than two images: {some(poor)}."
            " Add images, or remove them"
        )
    ids = Counter(person.id.removeprefix(ND_PREFIX) for person in people)
    twice = sorted(id for id, count in ids.items() if count > 1)
    if twice:
        raise UserError(f"data {root}: {some(twice)}: there with and without the prefix {ND_PREFIX}, one person twice")
    _check_owners(root, people)
    return people


def _check_owners(root: Path, people: Iterable[Person]) -> None:
    owner: dict[Path, str] = {}
    shared = []
    for person in people:
        for path in person.images:
            if owner.setdefault(path, person.id) != person.id:
                shared.append(f"{path.relative_to(root)} ({owner[path]} and {person.id})")
    if shared:
        raise UserError(f"data {root}: {counted(len(shared), 'image')} listed for two people: {some(shared)}")


def _pairs(root: Path, listing: Listing) -> tuple[tuple[str, str], ...]:
    selves = [first for first, second in listing.pairs if first == second]
    if selves:
        raise UserError(f"data {root}: {counted(len(selves), 'pair')} of a person with themselves: {some(selves)}")
    unknown = sorted({id for pair in listing.pairs for id in pair} - listing.images.keys())
    if unknown:
        raise UserError(
            f"data {root}: the twin pairs name {counted(len(unknown), 'person', 'people')} who are not in the data:"
            f" {some(unknown)}. Remove those pairs, or add the people"
        )
    return tuple(sorted({(min(pair), max(pair)) for pair in listing.pairs}))


def _given_split(root: Path, sides: Mapping[str, set[Side]] | None) -> dict[str, Side] | None:
    if sides is None:
        return None
    torn = _people_on_two_sides(sides)
    if torn:
        number = counted(len(torn), "person", "people")
        raise UserError(f"data {root}: the given split has {number} on two sides: {some(torn)}")
    return {id: next(iter(found)) for id, found in sorted(sides.items())}


def _people_on_two_sides(sides: Mapping[str, set[Side]] | None) -> list[str]:
    return sorted(id for id, found in (sides or {}).items() if len(found) > 1)


def _notes_on_pairs(people: Collection[Person], pairs: Collection[tuple[str, str]]) -> list[str]:
    if not pairs:
        return ["no twin pairs: only general verification can be measured"]
    single = len(people) - len({id for pair in pairs for id in pair})
    return [f"{single} of {len(people)} people belong to no pair: general impostors only"] if single else []


def _notes_on_copies(root: Path, people: Iterable[Person], identical: Iterable[tuple[Path, ...]]) -> list[str]:
    owner = {path: person.id for person in people for path in person.images}
    own: list[str] = []
    across: list[str] = []
    for group in identical:
        names = " = ".join(str(path.relative_to(root)) for path in group)
        (own if len({owner[path] for path in group}) == 1 else across).append(names)
    notes = []
    if own:
        number = counted(len(own), "picture")
        notes.append(f"{number} of one person under several names, left out of the scores: {some(own)}")
    if across:
        notes.append(f"{counted(len(across), 'picture')} under the names of different people: {some(across)}")
    return notes


def _within(groups: Iterable[tuple[Path, ...]], people: Iterable[Person]) -> tuple[tuple[Path, ...], ...]:
    kept = {path for person in people for path in person.images}
    cut = (tuple(path for path in group if path in kept) for group in groups)
    return tuple(group for group in cut if len(group) > 1)


def _connected(ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Give for each id the smallest id of its connected component (union-find with path halving)."""
    parent = {name: name for name in ids}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {name: root(name) for name in ids}
