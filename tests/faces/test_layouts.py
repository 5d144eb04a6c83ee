import json
from collections.abc import Callable
from pathlib import Path

import pytest

from twinverify.faces.catalogue import Catalogue, read_catalogue

PEOPLE = ("90001", "90002", "90003", "90004", "90005", "90006", "90007")
PAIRS = [["90001", "90002"], ["90003", "90004"], ["90006", "90005"]]
ELSEWHERE = "/kaggle/input/nd/ND_TWIN_Dataset_448"


def index(*people: str, prefix: str = ELSEWHERE) -> dict[str, list[str]]:
    return {id: [f"{prefix}/{id}/{id}d{number}.png" for number in range(2)] for id in people}


def write(root: Path, **files: object) -> None:
    for name, tree in files.items():
        (root / f"{name}.json").write_text(json.dumps(tree))


def train_test(root: Path) -> None:
    write(root, train_dataset_infor=index(*PEOPLE[:4]), train_twin_pairs=PAIRS[:2])
    write(root, test_dataset_infor=index(*PEOPLE[4:]), test_twin_pairs=PAIRS[2:])


def one_list(root: Path) -> None:
    write(root, dataset_infor=index(*PEOPLE), twin_pairs_infor=PAIRS)


def by_side(root: Path) -> None:
    pairs = {"train": PAIRS[:1], "val": PAIRS[1:2], "test": PAIRS[2:]}
    write(root, id_to_images=index(*PEOPLE), twin_pairs_infor=pairs)


def twin_table(root: Path) -> None:
    rows = [row for a, b in PAIRS for row in (f"nd1S{a},nd1S{b},identical twin", f"nd1S{b},nd1S{a},identical twin")]
    rows.append("nd1S90007,nd1S90001,sibling")
    header = "subject_id1,subject_id2,relationship_type"
    (root / "TwinsPairTable.csv").write_text("\r\n".join([header, *rows]) + "\r\n")


def folders_and_json(root: Path) -> None:
    write(root, look_alike_pairs=PAIRS)


def folders_and_csv(root: Path) -> None:
    (root / "pairs.csv").write_text("a;b\n" + "\n".join(";".join(pair) for pair in PAIRS))


def folders_and_csv_without_header(root: Path) -> None:
    (root / "pairs.csv").write_text("\n".join(",".join(pair) for pair in PAIRS))


LAYOUTS = [train_test, one_list, by_side, twin_table, folders_and_json, folders_and_csv, folders_and_csv_without_header]


@pytest.mark.parametrize("lay_out", LAYOUTS, ids=lambda layout: layout.__name__)
def test_every_layout_gives_the_same_people_images_and_pairs(
    lay_out: Callable[[Path], None], make_people: Callable[..., Path]
) -> None:
    root = make_people(*PEOPLE)
    lay_out(root)
    catalogue = read_catalogue(root)
    assert tuple(person.id for person in catalogue.people) == PEOPLE
    for person in catalogue.people:
        assert person.images == tuple(root / person.id / f"{person.id}d{number}.png" for number in range(2))
    assert catalogue.twin_pairs == (("90001", "90002"), ("90003", "90004"), ("90005", "90006"))
    assert catalogue.families["90006"] == "90005"
    assert catalogue.families["90007"] == "90007"


def test_separate_train_and_test_files_are_a_given_split(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    train_test(root)
    given = read_catalogue(root).given_split
    assert given == dict.fromkeys(PEOPLE[:4], "train") | dict.fromkeys(PEOPLE[4:], "test")


def test_pairs_by_side_are_a_given_split_of_the_twins_only(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    by_side(root)
    catalogue = read_catalogue(root)
    assert catalogue.given_split is not None
    assert catalogue.given_split["90003"] == "validation"
    assert "90007" not in catalogue.given_split
    assert catalogue.notes == ("1 of 7 people belong to no pair: general impostors only",)


def test_relations_that_are_not_twins_are_named_and_left_out(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    twin_table(root)
    assert "TwinsPairTable.csv: rows that name no twins are left out: sibling (1)" in read_catalogue(root).notes


@pytest.mark.parametrize("folders", ["90001", "nd1S90001"])
def test_the_official_prefix_may_stand_in_the_table_or_at_the_folders(
    folders: str, make_people: Callable[..., Path]
) -> None:
    prefix = folders.removesuffix("90001")
    root = make_people(f"{prefix}90001", f"{prefix}90002")
    (root / "TwinsPairTable.csv").write_text(
        "subject_id1,subject_id2,relationship_type\nnd1S90001,nd1S90002,fraternal twin"
    )
    assert read_catalogue(root).twin_pairs == ((f"{prefix}90001", f"{prefix}90002"),)


def test_folders_without_a_pairs_file_have_no_twins(make_people: Callable[..., Path]) -> None:
    catalogue = read_catalogue(make_people(*PEOPLE))
    assert not catalogue.has_twins
    assert catalogue.notes == ("no twin pairs: only general verification can be measured",)


def test_a_pairs_file_given_by_name_wins_over_the_layouts_own(make_people: Callable[..., Path], tmp_path: Path) -> None:
    root = make_people(*PEOPLE)
    one_list(root)
    write(tmp_path, mine=[["90001", "90007"]])
    assert read_catalogue(root, tmp_path / "mine.json").twin_pairs == (("90001", "90007"),)


def test_the_file_whose_name_says_pairs_is_taken_among_several(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    write(root, look_alike_pairs=PAIRS, camera={"iso": 100})
    assert len(read_catalogue(root).twin_pairs) == 3


@pytest.mark.parametrize("prefix", [ELSEWHERE, ".", "images", "C:\\faces", "{root}"])
def test_paths_of_any_machine_are_found_by_their_last_two_components(
    prefix: str, make_people: Callable[..., Path]
) -> None:
    root = make_people(*PEOPLE)
    people = index(*PEOPLE, prefix=prefix.format(root=root))
    if "\\" in prefix:
        people = {id: [path.replace("/", "\\") for path in paths] for id, paths in people.items()}
    write(root, dataset_infor=people, twin_pairs_infor=PAIRS)
    assert len(read_catalogue(root).image_paths) == 2 * len(PEOPLE)


def test_an_image_listed_twice_for_one_person_counts_once_and_is_noted(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    people = index(*PEOPLE)
    people["90001"].append("90001/90001d0.png")
    write(root, dataset_infor=people, twin_pairs_infor=PAIRS)
    catalogue = read_catalogue(root)
    assert len(catalogue.people[0].images) == 2
    assert "1 image listed twice for the same person, counted once (90001)" in catalogue.notes


def test_triplets_are_one_family(make_people: Callable[..., Path]) -> None:
    root = make_people("c", "a", "b", "d")
    write(root, pairs=[["c", "b"], ["a", "c"]])
    assert read_catalogue(root).families == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_byte_identical_images_are_noted(make_people: Callable[..., Path]) -> None:
    root = make_people("a", "b")
    (root / "a" / "copy.png").write_bytes((root / "a" / "ad0.png").read_bytes())
    (root / "b" / "stray.png").write_bytes((root / "a" / "ad1.png").read_bytes())
    notes = read_catalogue(root).notes
    assert "1 picture of one person under several names, left out of the scores: a/ad0.png = a/copy.png" in notes
    assert "1 picture under the names of different people: a/ad1.png = b/stray.png" in notes


def test_a_subset_keeps_only_pairs_that_lie_wholly_in_it(make_people: Callable[..., Path]) -> None:
    root = make_people(*PEOPLE)
    by_side(root)
    part: Catalogue = read_catalogue(root).subset(["90001", "90003", "90004"])
    assert part.twin_pairs == (("90003", "90004"),)
    assert part.given_split == {"90001": "train", "90003": "validation", "90004": "validation"}


def test_hidden_and_other_files_are_not_images(make_people: Callable[..., Path]) -> None:
    root = make_people("a", "b")
    (root / "a" / ".thumb.png").write_text("x")
    (root / "a" / "notes.txt").write_text("x")
    (root / ".git").mkdir()
    assert len(read_catalogue(root).image_paths) == 4
