"""A sweep goes on with the very data that it began with; what differs is named."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from planning import PAIRS, Planned, faces

from twinverify.errors import UserError
from twinverify.search.data_digest import data_counts, data_digest
from twinverify.search.journal import FILE_NAME

pytestmark = pytest.mark.usefixtures("no_probe")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return faces(tmp_path / "faces", images=3)


@pytest.fixture
def sweep(started: Planned, folder: Path) -> dict[str, Any]:
    """Start a sweep, and give the options that would start it again."""
    command: dict[str, Any] = {"space": "glca_heads", "data": str(folder), "pairs": folder.parent / "pairs.csv"}
    started({}, **command)
    return command


def other_bytes(folder: Path) -> None:
    Image.fromarray(np.full((12, 12), 7, np.uint8)).save(folder / "p03" / "0.png")


def other_bytes_of_the_same_size(folder: Path) -> None:
    path = folder / "p03" / "0.png"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def other_name(folder: Path) -> None:
    (folder / "p03" / "0.png").rename(folder / "p03" / "9.png")


def one_image_less(folder: Path) -> None:
    (folder / "p03" / "0.png").unlink()


def one_image_more(folder: Path) -> None:
    (folder / "p03" / "9.png").write_bytes(b"one more")


def one_person_less(folder: Path) -> None:
    (folder / "p13").rename(folder.parent / "gone")
    (folder.parent / "pairs.csv").write_text(PAIRS.replace("p12,p13\n", ""))


def one_person_more(folder: Path) -> None:
    (folder / "p03").rename(folder / "p99")
    faces(folder.parent / "new", people=4, images=3)
    (folder.parent / "new" / "p03").rename(folder / "p03")


def one_pair_less(folder: Path) -> None:
    (folder.parent / "pairs.csv").write_text(PAIRS.replace("p12,p13\n", ""))


def other_pairs(folder: Path) -> None:
    (folder.parent / "pairs.csv").write_text(PAIRS.replace("p00,p01", "p00,p02").replace("p02,p03", "p01,p03"))


WAS = r"14 people, 42 images, 7 twin pairs, digest \w{8}"


@pytest.mark.parametrize(
    ("change", "now"),
    [
        (other_bytes, WAS),
        (other_bytes_of_the_same_size, WAS),
        (other_name, WAS),
        (one_image_less, r"14 people, 41 images, 7 twin pairs, digest \w{8}"),
        (one_image_more, r"14 people, 43 images, 7 twin pairs, digest \w{8}"),
        (one_person_less, r"13 people, 39 images, 6 twin pairs, digest \w{8}"),
        (one_person_more, r"15 people, 45 images, 7 twin pairs, digest \w{8}"),
        (one_pair_less, r"14 people, 42 images, 6 twin pairs, digest \w{8}"),
        (other_pairs, WAS),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whatever_changed_in_the_data_is_noticed_and_named(
    sweep: dict[str, Any], planned: Planned, folder: Path, change: Callable[[Path], None], now: str
) -> None:
    assert planned({}, resume="glca_heads").goes_on
    change(folder)
    pairs = r"with pairs=\S+/pairs.csv"
    for again in ({"resume": "glca_heads"}, sweep):
        with pytest.raises(UserError) as refused:
            planned({}, **again)
        assert refused.match(rf"data was \S+/faces {pairs} \({WAS}\), now \S+/faces {pairs} \({now}\)")


def test_data_that_lost_its_twins_is_told_before_the_objective_that_they_were_for(
    started: Planned, planned: Planned, folder: Path
) -> None:
    (folder / "TwinsPairTable.csv").write_text("subject_id1,subject_id2,relationship_type\n")
    table = PAIRS.replace("a,b", "subject_id1,subject_id2,relationship_type").replace("\n", ",identical\n")
    (folder / "TwinsPairTable.csv").write_text(table.replace("relationship_type,identical", "relationship_type"))
    assert started({}, space="glca_heads", data=str(folder)).objective == "val/twin_eer"
    (folder / "TwinsPairTable.csv").unlink()
    with pytest.raises(UserError, match=r"resume=glca_heads: .*data was .* 7 twin pairs.*, now .* 0 twin pairs"):
        planned({}, resume="glca_heads")


def test_a_data_folder_that_moved_is_the_same_data(
    sweep: dict[str, Any], planned: Planned, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "moved")
    (tmp_path / "pairs.csv").rename(tmp_path / "moved.csv")
    moved = planned({}, resume="glca_heads", data=str(tmp_path / "moved"), pairs=tmp_path / "moved.csv")
    assert moved.goes_on
    assert (moved.options.data, moved.options.pairs) == (str(tmp_path / "moved"), tmp_path / "moved.csv")


def test_a_sweep_of_the_first_version_has_no_counts_and_is_compared_all_the_same(
    sweep: dict[str, Any], planned: Planned, folder: Path, tmp_path: Path
) -> None:
    place = tmp_path / "runs" / "glca_heads"
    (place / FILE_NAME).unlink()
    told = yaml.safe_load((place / "sweep.yaml").read_text())
    del told["data_counts"], told["versions"]
    (place / "sweep.yaml").write_text(yaml.safe_dump(told))
    assert planned({}, resume="glca_heads").goes_on
    other_name(folder)
    with pytest.raises(UserError, match=rf"data was \S+ with pairs=\S+ \(digest \w{{8}}\), now \S+ .*\({WAS}\)"):
        planned({}, resume="glca_heads")


def test_the_digest_is_that_of_names_alone_where_the_bytes_are_not_asked_for(
    planned: Planned, folder: Path, tmp_path: Path
) -> None:
    before = planned({}, space="glca_heads", data=str(folder)).split
    names, whole = data_digest(before), data_digest(before, tmp_path / "cache")
    other_bytes(folder)
    after = planned({}, space="glca_heads", data=str(folder)).split
    assert data_digest(after) == names
    assert data_digest(after, tmp_path / "cache") != whole
    assert not (tmp_path / "cache").exists()
    assert data_counts(after) == {"people": 14, "images": 42, "twin_pairs": 0}
