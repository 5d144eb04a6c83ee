"""One reader for each way in which a data folder may be laid out."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from twinverify.errors import UserError, counted, some
from twinverify.faces.listing import Listing, Side
from twinverify.faces.locate import IMAGE_SUFFIXES, ImageFinder
from twinverify.faces.pairs_file import read_pairs
from twinverify.faces.parsing import read_json

Reader = Callable[[Path, Path | None], Listing]

_TWIN_TABLE: Final = "TwinsPairTable.csv"
_SHARED_PAIRS: Final = "twin_pairs_infor.json"
_TABLES: Final = (".json", ".csv")


def read_layout(folder: Path, pairs: Path | None) -> Listing:
    """Read `folder` by the layout whose mark it bears; without a mark it is one folder a person.

    Args:
        folder: the data folder; exists.
        pairs: a file of pairs to take in place of the layout's own.

    Raises:
        UserError: files are missing or malformed.
    """
    _refuse_links(folder)
    marks = [mark for mark in _READERS if (folder / mark).is_file()]
    if not marks:
        return read_folders(folder, pairs)
    listing = _READERS[marks[0]](folder, pairs)
    # train_ and test_ belong together; any other second mark is another description of the same images.
    unused = [mark for mark in marks[1:] if not mark.startswith("test_")]
    if unused:
        listing.notes.append(f"read by {marks[0]}; not used: {', '.join(unused)}")
    return listing


def read_train_test(folder: Path, pairs: Path | None) -> Listing:
    """Read `train_` and `test_dataset_infor.json` with `train_` and `test_twin_pairs.json`: a split of its own."""
    finder = ImageFinder(folder)
    listing = Listing({}, sides={})
    assert listing.sides is not None
    sides: tuple[Side, ...] = ("train", "test")
    for side in sides:
        for person, images in _people(finder, _needed(folder, f"{side}_dataset_infor.json")).items():
            listing.images.setdefault(person, []).extend(images)
            listing.sides.setdefault(person, set()).add(side)
    files = [pairs] if pairs else [_needed(folder, f"{side}_twin_pairs.json") for side in sides]
    for file in files:
        listing.pairs += read_pairs(file, listing.images).pairs
    return listing


def read_one_index(index: str) -> Reader:
    """Give the reader of one index of images by person beside `twin_pairs_infor.json`."""

    def read(folder: Path, pairs: Path | None) -> Listing:
        people = _people(ImageFinder(folder), folder / index)
        return _with_pairs(people, pairs or _needed(folder, _SHARED_PAIRS))

    return read


def read_twin_table(folder: Path, pairs: Path | None) -> Listing:
    """Read `TwinsPairTable.csv` beside one folder a person."""
    return _with_pairs(_person_folders(folder), pairs or folder / _TWIN_TABLE)


def read_folders(folder: Path, pairs: Path | None) -> Listing:
    """Read one folder a person, with the only JSON or CSV file in the folder as pairs, or without pairs."""
    people = _person_folders(folder)
    pairs = pairs or _only_candidate(folder)
    return _with_pairs(people, pairs) if pairs else Listing(people)


_READERS: Final[dict[str, Reader]] = {
    "train_dataset_infor.json": read_train_test,
    "test_dataset_infor.json": read_train_test,
    "dataset_infor.json": read_one_index("dataset_infor.json"),
    "id_to_images.json": read_one_index("id_to_images.json"),
    _TWIN_TABLE: read_twin_table,
}


def _with_pairs(people: dict[str, list[Path]], pairs: Path) -> Listing:
    found = read_pairs(pairs, people)
    return Listing(people, list(found.pairs), found.sides, list(found.notes))


def _refuse_links(folder: Path) -> None:
    """Refuse a table of the data set that is a link to a file elsewhere: what is in that would be told, and tracked."""
    root = folder.resolve()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in _TABLES and path.is_symlink() and not path.resolve().is_relative_to(root):
            raise UserError(f"data {folder}: {some([path.name])} is a link that leaves the folder; put the file there")


def _needed(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise UserError(f"data {folder}: {name} is missing; this layout needs it")
    return folder / name


def _people(finder: ImageFinder, index: Path) -> dict[str, list[Path]]:
    """Read `{"90004": ["…/90004/90004d13.jpg", …], …}`."""
    tree = read_json(index)
    if not isinstance(tree, dict) or not tree:
        raise UserError(f'{index}: an object of lists of images is expected: {{"90004": ["90004/1.jpg", …], …}}')
    for person, texts in tree.items():
        is_list = isinstance(texts, list) and all(isinstance(text, str) and text for text in texts)
        if not person.strip() or not is_list:
            raise UserError(f"{index}: the entry of {person!r} is not a list of image paths")
    texts = [text for listed in tree.values() for text in listed]
    paths = iter(finder.find_all(index, texts))
    return {person: [next(paths) for _ in listed] for person, listed in tree.items()}


def _person_folders(folder: Path) -> dict[str, list[Path]]:
    finder = ImageFinder(folder)
    images = {path.name: finder.images_in(path) for path in finder.people_folders()}
    people = {name: found for name, found in images.items() if found}
    if not people:
        loose = finder.images_in(finder.root)
        held = f"holds {counted(len(loose), 'image')} but no folder of a person" if loose else "holds no images"
        kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise UserError(f"data {folder}: {held}; one folder a person is expected, with images in it ({kinds})")
    return people


def _only_candidate(folder: Path) -> Path | None:
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    candidates = [path for path in files if path.suffix.lower() in _TABLES]
    if len(candidates) > 1:  # a name that says what it is decides
        named = [path for path in candidates if "pair" in path.stem.lower() or "twin" in path.stem.lower()]
        candidates = named if len(named) == 1 else candidates
    if len(candidates) > 1:
        names = some((path.name for path in candidates), 5)
        raise UserError(f"data {folder}: which file holds the pairs? Choose with pairs=FILE among {names}")
    return candidates[0] if candidates else None
