import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from twinverify.faces.cache import open_cache
from twinverify.faces.catalogue import read_catalogue
from twinverify.faces.faceset import face_set


def test_people_families_and_pairs_are_numbered_and_rows_lead_to_the_pixels(
    make_people: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_people("a", "b", "c", "d", "e", images=3)
    (root / "pairs.json").write_text(json.dumps([["e", "c"], ["b", "c"]]))
    whole = read_catalogue(root)
    cache = open_cache(whole, 16, tmp_path / "cache")
    part = whole.subset(["b", "c", "d", "e"])
    faces = face_set(part, cache)
    assert len(faces) == 12
    assert faces.person_ids == ("b", "c", "d", "e")
    assert faces.person.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert faces.family.tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert faces.twin_pairs.tolist() == [[0, 1], [1, 3]]
    assert faces.rows.tolist() == [cache.row(path) for path in part.image_paths]
    np.testing.assert_array_equal(faces.content, cache.content[faces.rows])
    for array in (faces.rows, faces.person, faces.family, faces.content, faces.twin_pairs):
        assert array.dtype == np.int64


def test_a_set_without_twins_has_an_empty_table_of_pairs(make_people: Callable[..., Path], tmp_path: Path) -> None:
    catalogue = read_catalogue(make_people("a", "b"))
    assert face_set(catalogue, open_cache(catalogue, 16, tmp_path / "cache")).twin_pairs.shape == (0, 2)
