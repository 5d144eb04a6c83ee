import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.config import load_config
from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue, read_catalogue
from twinverify.faces.splits import split_families
from twinverify.faces.synthetic import draw_twins, planned_catalogue, synthetic_catalogue
from twinverify.settings import SyntheticSettings

FEW = SyntheticSettings(families=6, images=3)


def digests(catalogue: Catalogue) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in catalogue.image_paths]


def test_the_same_settings_draw_the_same_bytes_and_other_settings_others(tmp_path: Path) -> None:
    first = digests(synthetic_catalogue(FEW, 32, tmp_path / "a"))
    assert digests(synthetic_catalogue(FEW, 32, tmp_path / "b")) == first
    for other in (FEW.model_copy(update={"seed": 1}), FEW.model_copy(update={"difference": 0.6})):
        assert not set(digests(synthetic_catalogue(other, 32, tmp_path / "a"))) & set(first)
    assert len(set(first)) == len(first)


def test_drawing_more_families_leaves_the_first_ones_as_they_were() -> None:
    more = FEW.model_copy(update={"families": 12})
    np.testing.assert_array_equal(draw_twins(FEW, 5, 32), draw_twins(more, 5, 32))


def test_the_faces_are_drawn_once(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in synthetic_catalogue(FEW, 32, tmp_path).image_paths}
    assert {path: path.stat().st_mtime_ns for path in synthetic_catalogue(FEW, 32, tmp_path).image_paths} == before


def test_the_folder_is_a_data_set_like_any_other(tmp_path: Path) -> None:
    drawn = synthetic_catalogue(FEW, 32, tmp_path)
    read = read_catalogue(drawn.root)
    assert (read.people, read.twin_pairs, read.identical) == (drawn.people, drawn.twin_pairs, ())
    assert drawn.name == "synthetic"
    assert drawn.twin_pairs[0] == ("f0a", "f0b")
    with Image.open(drawn.image_paths[0]) as image:
        assert (image.size, image.mode) == ((32, 32), "RGB")


def test_the_plan_is_what_will_be_drawn_and_draws_nothing(tmp_path: Path) -> None:
    plan = planned_catalogue(FEW, 32, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert synthetic_catalogue(FEW, 32, tmp_path) == plan


def test_large_sizes_share_one_drawing(tmp_path: Path) -> None:
    assert planned_catalogue(FEW, 224, tmp_path) == planned_catalogue(FEW, 448, tmp_path)


def test_two_processes_at_once_draw_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from twinverify.settings import SyntheticSettings;"
        "from twinverify.faces.synthetic import synthetic_catalogue;"
        "synthetic_catalogue(SyntheticSettings(families=6, images=3), 32, Path(sys.argv[1]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "both")]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    expected = digests(synthetic_catalogue(FEW, 32, tmp_path / "alone"))
    assert digests(planned_catalogue(FEW, 32, tmp_path / "both")) == expected
    assert len([path for path in (tmp_path / "both").iterdir() if path.is_dir()]) == 1


def test_a_drawing_that_a_killed_process_left_is_drawn_anew(tmp_path: Path) -> None:
    root = planned_catalogue(FEW, 32, tmp_path).root
    (root.with_name(f".{root.name}.4711") / "f0a").mkdir(parents=True)
    assert all(path.is_file() for path in synthetic_catalogue(FEW, 32, tmp_path).image_paths)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [root]


def test_a_full_disk_is_one_clear_line_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: object, path: Path, **_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full)
        with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)"):
            synthetic_catalogue(FEW, 32, tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert synthetic_catalogue(FEW, 32, tmp_path).image_paths[0].is_file()


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        synthetic_catalogue(FEW, 32, tmp_path / "file")


def distances(difference: float) -> tuple[float, float, float]:
    """Give the median distance of two people's mean faces: of one person's halves, of twins, of unrelated people."""
    settings = SyntheticSettings(families=20, images=24, difference=difference)
    images = np.stack([draw_twins(settings, family, 32) for family in range(20)]).astype(float)
    face = images[:, :, :, 6:26, 8:24]  # without backdrop and clothes
    halves = np.stack([face[:, :, :12].mean(axis=2), face[:, :, 12:].mean(axis=2)], axis=2)
    mean = halves.mean(axis=2)

    def median(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.median(np.abs(a - b).mean(axis=(-3, -2, -1))))

    return median(halves[:, :, 0], halves[:, :, 1]), median(mean[:, 0], mean[:, 1]), median(mean, np.roll(mean, 1, 0))


def test_twins_differ_more_than_chance_and_far_less_than_unrelated_people() -> None:
    same, twins, unrelated = distances(0.5)
    assert 1.2 * same < twins < 0.6 * unrelated


def test_difference_scales_how_much_twins_differ() -> None:
    _, close, unrelated = distances(0.1)
    _, far, unrelated_too = distances(1.0)
    assert close < 0.6 * far
    assert unrelated == pytest.approx(unrelated_too, rel=0.25)


def test_the_preset_for_a_cpu_trains_on_at_least_sixty_families(tmp_path: Path) -> None:
    tiny = load_config("tiny")
    size = tiny.model.shape().image_size
    train = split_families(planned_catalogue(tiny.synthetic, size, tmp_path), tiny.split).train
    assert len(set(train.families.values())) >= 60
    assert len(train.twin_pairs) >= 60
