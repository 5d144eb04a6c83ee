import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from twinverify.config import load_config, with_values
from twinverify.errors import UserError
from twinverify.faces.load import check_data, load_data
from twinverify.settings import Config


@pytest.fixture
def config() -> Config:
    return with_values(load_config("tiny"), {"synthetic.families": 12, "synthetic.images": 2})


def test_synthetic_twins_are_ready_for_training(config: Config, tmp_path: Path) -> None:
    data = load_data("synthetic", config, tmp_path)
    assert [len(side.people) for side in (data.split.train, data.split.validation, data.split.test)] == [16, 4, 4]
    assert data.cache.pixels.shape == (40, 3, 64, 64)
    assert data.train.person_ids == tuple(person.id for person in data.split.train.people)
    assert not set(data.train.rows.tolist()) & set(data.validation.rows.tolist())
    assert len(data.train.twin_pairs) == 8


def test_the_real_faces_go_all_the_way(orl: Path, config: Config, tmp_path: Path) -> None:
    data = load_data(str(orl), config, tmp_path)
    assert (data.catalogue.name, len(data.catalogue.people), len(data.catalogue.twin_pairs)) == ("orl", 40, 20)
    assert len(data.catalogue.image_paths) == 400
    assert (len(data.train), len(data.validation), len(data.split.test.image_paths)) == (280, 60, 60)
    sealed = set(data.split.test.image_paths)
    assert not sealed & set(data.cache.rows), "no pixel of the test side is kept"
    pixels = np.asarray(data.cache.pixels[data.train.rows], dtype=float)
    np.testing.assert_array_equal(pixels[:, 0], pixels[:, 1])  # grey
    same = [np.corrcoef(pixels[i].ravel(), pixels[i + 1].ravel())[0, 1] for i in range(0, 280, 10)]
    other = [np.corrcoef(pixels[i].ravel(), pixels[(i + 40) % 280].ravel())[0, 1] for i in range(0, 280, 10)]
    assert np.mean(same) > np.mean(other) + 0.1, "rows and people belong together"


def test_the_split_of_the_check_is_the_split_of_the_load(orl: Path, config: Config, tmp_path: Path) -> None:
    assert check_data(str(orl), config, tmp_path) == load_data(str(orl), config, tmp_path).split


def test_the_check_is_quick_writes_nothing_and_needs_no_torch(orl: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from twinverify.config import load_config;"
        "from twinverify.faces.load import check_data;"
        "[check_data(data, load_config('tiny'), Path(sys.argv[2])) for data in ('synthetic', sys.argv[1])];"
        "assert not {'torch', 'ray', 'mlflow', 'timm'} & set(sys.modules), 'heavy imports'"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, str(orl), str(tmp_path / "cache")], check=True)
    assert time.perf_counter() - start < 5
    assert not (tmp_path / "cache").exists()


def test_another_seed_of_the_split_moves_people(orl: Path, config: Config, tmp_path: Path) -> None:
    other = with_values(config, {"split.seed": 1})
    assert check_data(str(orl), config, tmp_path).test.people != check_data(str(orl), other, tmp_path).test.people


def test_a_broken_image_of_the_sealed_side_is_told_before_training(orl: Path, config: Config, tmp_path: Path) -> None:
    shutil.copytree(orl, tmp_path / "orl")
    broken = check_data(str(tmp_path / "orl"), config, tmp_path).test.image_paths[0]
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(UserError, match=r"1 of 400 images cannot be read \(first: s\d+/1.pgm: truncated\)"):
        load_data(str(tmp_path / "orl"), config, tmp_path / "cache")


def test_pairs_by_name_are_used(orl: Path, config: Config, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps([["s1", "s2"], ["s3", "s4"], ["s5", "s6"]]))
    split = check_data(str(orl), config, tmp_path, pairs=tmp_path / "mine.json")
    assert [len(side.twin_pairs) for side in (split.train, split.validation, split.test)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("data", "pairs", "told"),
    [
        ("synthtic", None, "data synthtic: no such folder; did you mean synthetic?"),
        ("/no/such/folder", None, "data /no/such/folder: no such folder"),
        ("synthetic", Path("pairs.json"), "synthetic twins have their own pairs"),
    ],
)
def test_data_that_cannot_be_is_refused(
    data: str, pairs: Path | None, told: str, config: Config, tmp_path: Path
) -> None:
    for load in (check_data, load_data):
        with pytest.raises(UserError) as caught:
            load(data, config, tmp_path, pairs)
        assert told in str(caught.value)
