import json
from collections.abc import Callable
from pathlib import Path

import pytest

from twinverify.errors import UserError
from twinverify.faces.catalogue import read_catalogue

FOUR = ("a", "b", "c", "d")


def index(*people: str) -> dict[str, list[str]]:
    return {id: [f"{id}/{id}d{number}.png" for number in range(2)] for id in people}


def pairs(text: str) -> Callable[[Path], None]:
    return lambda root: (root / "pairs.json").write_text(text) and None


def table(text: str, name: str = "pairs.csv") -> Callable[[Path], None]:
    return lambda root: (root / name).write_text(text) and None


def infor(people: object, twin_pairs: object = ()) -> Callable[[Path], None]:
    def spoil(root: Path) -> None:
        (root / "dataset_infor.json").write_text(people if isinstance(people, str) else json.dumps(people))
        (root / "twin_pairs_infor.json").write_text(json.dumps(twin_pairs))

    return spoil


def two_candidates(root: Path) -> None:
    pairs("[]")(root)
    table("a,b", "other_pairs.csv")(root)


def link_out(root: Path) -> None:
    (root.parent / "secret.png").write_bytes((root / "a" / "ad0.png").read_bytes())
    (root / "a" / "x.png").symlink_to(root.parent / "secret.png")


def folder_link_out(root: Path) -> None:
    (root / "a").rename(root.parent / "away")
    (root / "a").symlink_to(root.parent / "away")


def only_train(root: Path) -> None:
    (root / "train_dataset_infor.json").write_text(json.dumps(index("a", "b")))


def person_in_both(root: Path) -> None:
    for side, people in (("train", "ab"), ("test", "bc")):
        (root / f"{side}_dataset_infor.json").write_text(json.dumps(index(*people)))
        (root / f"{side}_twin_pairs.json").write_text("[]")


def one_image(root: Path) -> None:
    for id in "ab":
        (root / id / f"{id}d1.png").unlink()


def prefixed_twice(root: Path) -> None:
    (root / "a").rename(root / "nd1Sb")


def latin(root: Path) -> None:
    (root / "pairs.csv").write_bytes("a,é\n".encode("latin-1"))


OUTSIDE = index("a", "b") | {"c": ["/etc/hostname", "c/cd0.png"]}
CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "not JSON": (pairs('[["a", "b"]'), "pairs.json: not valid JSON (line 1: Expecting ',' delimiter)"),
    "nested too deep": (pairs("[" * 100_000), "pairs.json: not valid JSON"),
    "not UTF-8": (latin, "pairs.csv: is not UTF-8 text"),
    "pairs of three": (pairs('[["a", "b", "c"]]'), "entry 1 is ['a', 'b', 'c']; a pair of ids is expected"),
    "a pair of lists": (pairs('[["a", ["b"]]]'), "a pair of ids is expected"),
    "pairs as text": (pairs('"a b"'), 'a list of pairs, or {"train"'),
    "other sides": (pairs('{"train": [], "dev": []}'), 'a list of pairs, or {"train"'),
    "no test side": (pairs('{"train": [["a", "b"]]}'), "has no pairs under test"),
    "a person on two sides": (
        pairs('{"train": [["a", "b"]], "val": [["b", "c"]], "test": [["c", "d"]]}'),
        "the given split has 2 people on two sides: b, c",
    ),
    "unknown people": (
        pairs('[["a", "x"], ["y", "b"], ["z", "w"]]'),
        "the twin pairs name 4 people who are not in the data: w, x, y and 1 more",
    ),
    "an id that would break the line": (pairs('[["a", "x\\ny"]]'), r"not in the data: 'x\ny'"),
    "self pairs": (pairs('[["a", "a"]]'), "1 pair of a person with themselves: a"),
    "two candidates": (two_candidates, "Choose with pairs=FILE among other_pairs.csv, pairs.json"),
    "empty table": (table("\n"), "is empty"),
    "ragged table": (table("a,b\nc\n"), "row 2 has 1 columns, the first row 2"),
    "unclosed quote": (table('a,"b'), "not valid CSV"),
    "three columns without ids": (table("a,b,9\nc,d,8\n"), "has 3 columns; two are expected"),
    "no header, unknown people": (table("x1,y1\na,b\n"), "name 2 people who are not in the data: x1, y1"),
    "no twins in the table": (
        table("subject_id1,subject_id2,relationship_type\na,b,non-twin sibling\n", "TwinsPairTable.csv"),
        "no row's relationship_type names twins (found: non-twin sibling)",
    ),
    "index not an object": (infor([1]), "an object of lists of images is expected"),
    "index entry not a list": (infor({"a": "a/ad0.png"}), "the entry of 'a' is not a list of image paths"),
    "id twice": (infor('{"a": ["a/ad0.png"], "a": ["a/ad1.png"]}'), "a stands in it more than once"),
    "images missing": (
        infor(index("a", "b") | {"c": ["c/1.png", "c/2.png", "c/cd0.png"]}),
        "2 of 7 images not found below",
    ),
    "no image": (infor(index("a", "b") | {"c": []}), "1 person has fewer than two images: c (0)"),
    "image of two people": (infor(index("a", "b") | {"c": ["a/ad0.png", "c/cd0.png"]}), "a/ad0.png (a and c)"),
    "path upwards": (infor(index("a") | {"b": ["../b/bd0.png"]}), "leaves the data folder"),
    "path upwards within": (infor(index("a") | {"b": ["/x/b/../bd0.png"]}), "leaves the data folder"),
    "path elsewhere": (infor(OUTSIDE), "1 of 6 images not found below"),
    "path of a directory": (infor(index("a") | {"b": ["b", "."]}), "2 of 4 images not found below"),
    "path too long": (infor(index("a") | {"b": ["x" * 5000 + "/1.png"]}), "1 of 3 images not found below"),
    "pairs file missing": (lambda root: (root / "id_to_images.json").write_text(json.dumps(index("a"))), "missing"),
    "test files missing": (only_train, "test_dataset_infor.json is missing"),
    "person in train and test": (person_in_both, "the given split has 1 person on two sides: b"),
    "link out": (link_out, "a/x.png is a link that leaves the folder"),
    "folder link out": (folder_link_out, "is a link that leaves the folder"),
    "one image": (one_image, "2 people have fewer than two images: a (1), b (1). Add images, or remove them"),
    "with and without prefix": (prefixed_twice, "b: there with and without the prefix nd1S"),
}


@pytest.mark.parametrize(("spoil", "told"), CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_in_one_line(
    spoil: Callable[[Path], object], told: str, make_people: Callable[..., Path]
) -> None:
    root = make_people(*FOUR)
    spoil(root)
    with pytest.raises(UserError) as caught:
        read_catalogue(root)
    line = str(caught.value)
    assert told in line
    assert "\n" not in line
    assert str(root) in line


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.write_text(""), "is a file; a folder is expected"),
        (lambda path: path.mkdir(), "holds no images"),
    ],
)
def test_a_folder_that_is_none_is_refused(make: Callable[[Path], object], told: str, tmp_path: Path) -> None:
    make(tmp_path / "data")
    with pytest.raises(UserError, match=told):
        read_catalogue(tmp_path / "data")


def test_images_without_folders_of_people_are_told_apart_from_none(make_people: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="holds 2 images but no folder of a person"):
        read_catalogue(make_people("a") / "a")


@pytest.mark.parametrize(
    ("name", "told"), [("none.json", "no such file"), ("pairs.txt", "its name ends in neither .json nor .csv")]
)
def test_a_pairs_file_that_cannot_be_one_is_refused(
    name: str, told: str, make_people: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "pairs.txt").write_text("a b")
    with pytest.raises(UserError, match=told):
        read_catalogue(make_people(*FOUR), tmp_path / name)


def test_a_link_that_stays_inside_is_taken(make_people: Callable[..., Path]) -> None:
    root = make_people(*FOUR)
    (root / "a" / "again.png").symlink_to(root / "a" / "ad0.png")
    assert len(read_catalogue(root).people[0].images) == 3
