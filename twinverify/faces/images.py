"""From an image file to a square of pixels."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

#: A face needs no more; above it a small file can fill the memory (a decompression bomb).
MAX_PIXELS: Final = 64_000_000
#: Up to this ratio of the sides a face is squeezed into the square: all images of a data set are squeezed alike, and no
#: pixel is wasted. Beyond, the proportions would suffer more than the resolution, so the short side is padded.
MAX_SQUEEZE: Final = 1.6
_FORMATS: Final = ("PPM", "PNG", "JPEG", "BMP", "WEBP", "TIFF")


class BrokenImageError(Exception):
    """An image that cannot be read; the text says why in a few words."""


def read_square(path: Path | bytes, size: int) -> NDArray[np.uint8]:
    """Decode one image, upright, and resize it with antialiasing.

    Args:
        path: PGM, PPM, PNG, JPEG, BMP, WebP or TIFF; grey (8 or 16 bit) or colour. Or such a file's content.
        size: side S of the square, pixels.

    Returns:
        (3, S, S) uint8, RGB. Sides that differ by more than `MAX_SQUEEZE` times are padded with their edge pixels.

    Raises:
        BrokenImageError: the file is no image, truncated, too large, or of a kind that is not supported.
    """
    image = _decoded(path, size)
    small = _square(image).resize((size, size), Image.Resampling.BICUBIC, reducing_gap=3.0)
    pixels: NDArray[np.uint8] = np.asarray(small)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def check_readable(path: Path) -> None:
    """Decode an image and forget it.

    Raises:
        BrokenImageError: as `read_square`.
    """
    _decoded(path, 0)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings on damaged files, which we report ourselves; wraps threads, for filters are global."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decoded(path: Path | bytes, size: int) -> Image.Image:
    """Give the upright RGB image; `size` > 0 lets JPEG decode at a fraction of its size."""
    try:
        with Image.open(BytesIO(path) if isinstance(path, bytes) else path, formats=_FORMATS) as image:
            if _pixels(image.size) > MAX_PIXELS:
                most = f"{MAX_PIXELS / 1e6:.0f} million are the most"
                raise BrokenImageError(f"{image.width} x {image.height} pixels are too many, {most}")
            if size:
                image.draft("RGB", (2 * size, 2 * size))
            image.load()
            return _eight_bit(_upright(image)).convert("RGB")
    except BrokenImageError:
        raise
    except UnidentifiedImageError:
        length = len(path) if isinstance(path, bytes) else path.stat().st_size
        raise BrokenImageError("not an image" if length else "empty") from None
    except Image.DecompressionBombError:
        raise BrokenImageError("too many pixels") from None
    except Exception as error:  # Pillow's readers raise whatever their parsing of damaged bytes runs into
        text = str(error)
        raise BrokenImageError(
            "truncated" if "truncated" in text or "not large enough" in text else text[:80]
        ) from None


def _pixels(size: tuple[int, int]) -> int:
    """Give how many pixels an image fills the memory with: a long one is padded to a square first."""
    long, short = max(size), min(size)
    return long * short if long <= MAX_SQUEEZE * short else long * long


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # damaged EXIF data are common, and no reason to refuse whole pixels
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow's own conversion of 16 bit clips at 255, which turns a grey face white."""
    if image.mode == "F":
        raise BrokenImageError("floating-point pixels are not supported")
    if image.mode.startswith("I"):
        wide = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray((wide >> 8).astype(np.uint8))
    return image


def _square(image: Image.Image) -> Image.Image:
    if max(image.size) <= MAX_SQUEEZE * min(image.size):
        return image
    side = max(image.size)
    left, top = (side - image.width) // 2, (side - image.height) // 2
    edges = ((top, side - image.height - top), (left, side - image.width - left), (0, 0))
    return Image.fromarray(np.pad(np.asarray(image), edges, mode="edge"))
