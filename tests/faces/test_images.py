from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twinverify.faces import images
from twinverify.faces.images import BrokenImageError, check_readable, read_square


def half_dark(width: int = 40, height: int = 40) -> Image.Image:
    """Black above, light below."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    pixels[height // 2 :] = 200
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", ["a.pgm", "a.ppm", "a.png", "a.jpg", "a.bmp", "a.webp", "a.tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_gives_the_same_square(name: str, mode: str, tmp_path: Path) -> None:
    half_dark().convert(mode).save(tmp_path / name)
    square = read_square(tmp_path / name, 20)
    assert square.shape == (3, 20, 20)
    assert square.dtype == np.uint8
    np.testing.assert_allclose(square[:, :8], 0, atol=6)
    np.testing.assert_allclose(square[:, 12:], 200, atol=6)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    half_dark().convert("RGB").convert(mode).save(path)
    square = read_square(path, 10)
    assert square[:, 1].max() < 20
    assert square[:, 8].min() > 150


@pytest.mark.parametrize("name", ["a.png", "a.tiff", "a.pgm"])
def test_sixteen_bits_are_scaled_and_not_clipped(name: str, tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 32, dtype=np.uint16)[:, None].repeat(32, axis=1)
    Image.fromarray(ramp).save(tmp_path / name)
    column = read_square(tmp_path / name, 32)[0, :, 0]
    np.testing.assert_allclose(column, np.linspace(0, 255, 32), atol=2)


def test_the_orientation_of_the_camera_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    half_dark().save(tmp_path / "a.jpg", exif=exif)
    square = read_square(tmp_path / "a.jpg", 20)
    assert square[0, 2].mean() > 150
    assert square[0, 17].mean() < 50


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_refuse_whole_pixels(tmp_path: Path) -> None:
    half_dark().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff damaged")
    assert read_square(tmp_path / "a.jpg", 20).shape == (3, 20, 20)


def test_resizing_averages_where_picking_pixels_would_alias(tmp_path: Path) -> None:
    stripes = np.zeros((256, 256), dtype=np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_square(tmp_path / "a.png", 32), 127, atol=3)


def test_a_portrait_is_squeezed_and_a_strip_is_padded_with_its_edges(tmp_path: Path) -> None:
    half_dark(92, 112).save(tmp_path / "portrait.png")
    strip = np.full((40, 160), 90, dtype=np.uint8)
    strip[10:30] = 255
    Image.fromarray(strip).save(tmp_path / "strip.png")
    assert read_square(tmp_path / "portrait.png", 28)[0, 27, 0] > 190
    padded = read_square(tmp_path / "strip.png", 40)[0]
    assert padded[0, 0] == 90  # an edge pixel, not black
    assert 4 <= (padded[:, 20] > 200).sum() <= 6  # half of the strip's 10 rows; squeezed it would fill 20 of 40


BROKEN = {
    "empty": (lambda whole: b"", "empty"),
    "text": (lambda whole: b"no image at all", "not an image"),
    "half": (lambda whole: whole[: len(whole) // 2], "truncated"),
}


@pytest.mark.parametrize("name", ["a.pgm", "a.png", "a.jpg", "a.bmp", "a.tiff"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_told_by_its_kind(name: str, kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64), dtype=np.uint8)).save(tmp_path / name)
    spoil, told = BROKEN[kind]
    (tmp_path / name).write_bytes(spoil((tmp_path / name).read_bytes()))
    for read in (lambda path: read_square(path, 16), check_readable):
        with pytest.raises(BrokenImageError) as caught:
            read(tmp_path / name)
        assert str(caught.value), "a reason must be given"
        if kind != "half":  # formats word a cut in their own ways
            assert str(caught.value) == told


def test_a_files_content_is_the_file(tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    pixels = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    assert (read_square(path.read_bytes(), 32) == read_square(path, 32)).all()
    for content, told in ((b"", "empty"), (b"no image", "not an image"), (path.read_bytes()[:2000], "truncated")):
        with pytest.raises(BrokenImageError, match=told):
            read_square(content, 32)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_dark().save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 40 - 1)
    with pytest.raises(BrokenImageError, match="40 x 40 pixels are too many"):
        read_square(tmp_path / "a.png", 16)


def test_what_is_an_image_but_no_photograph_is_refused(tmp_path: Path) -> None:
    half_dark().save(tmp_path / "a.gif")
    with pytest.raises(BrokenImageError, match="not an image"):
        check_readable(tmp_path / "a.gif")
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(BrokenImageError, match="floating-point"):
        check_readable(tmp_path / "a.tiff")
