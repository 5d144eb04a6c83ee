"""A face under what a model looked at: the attention rollout as a heat map, over the photograph or alone."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw


def attention_over(look: NDArray[np.float32], chosen: int, face: NDArray[np.uint8] | None, side: int) -> Image.Image:
    """Draw where the class token looked.

    Args:
        look: (N,) the rollout over the patches, row by row.
        chosen: how many patches to outline, those with the most attention; 0 for none.
        face: (3, S, S) the photograph to draw it over; None = the map alone.
        side: of the picture, pixels.
    """
    grid = round(len(look) ** 0.5)
    spread = look.max() - look.min()
    heat = (look - look.min()) / spread if spread > 0 else np.zeros_like(look)
    small = Image.fromarray((255 * heat.reshape(grid, grid)).astype(np.uint8))
    smooth = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))  # (side, side)
    colours = _colours()[smooth]  # (side, side, 3)
    if face is not None:
        # Where it did not look the face stays as it is; where it did, it glows.
        weight = (0.1 + 0.55 * smooth / 255)[:, :, None]
        colours = (1 - weight) * np.asarray(face_picture(face, side)) + weight * colours
    picture = Image.fromarray(colours.round().astype(np.uint8))
    _outline(picture, np.argsort(-look, kind="stable")[:chosen], grid)
    return picture


def face_picture(face: NDArray[np.uint8], side: int) -> Image.Image:
    """Give a face (3, S, S) as a picture with `side` pixels a side."""
    image = Image.fromarray(np.ascontiguousarray(face.transpose(1, 2, 0)))
    return image.resize((side, side), Image.Resampling.BICUBIC)


def attention_sheet(
    looks: NDArray[np.float32], chosen: int, faces: NDArray[np.uint8] | None, side: int = 160, gap: int = 4
) -> Image.Image:
    """Draw what a model looked at in several images, side by side.

    Args:
        looks: (B, N) the rollout of each image.
        chosen: how many patches to outline, as in `attention_over`.
        faces: (B, 3, S, S) the photographs, drawn above the maps and below them; None = the maps alone.
        side: of one map, pixels.
        gap: between two of them, pixels.
    """
    rows = 1 if faces is None else 2
    step = side + gap
    sheet = Image.new("RGB", (len(looks) * step - gap, rows * step - gap), "white")
    for column, look in enumerate(looks):
        face = None if faces is None else faces[column]
        if face is not None:
            sheet.paste(face_picture(face, side), (column * step, 0))
        sheet.paste(attention_over(look, chosen, face, side), (column * step, (rows - 1) * step))
    return sheet


def _outline(picture: Image.Image, patches: NDArray[np.int64], grid: int) -> None:
    draw = ImageDraw.Draw(picture)
    for patch in patches.tolist():
        row, column = divmod(patch, grid)
        left, top, right, bottom = (round(place * picture.width / grid) for place in (column, row, column + 1, row + 1))
        draw.rectangle((left, top, right - 1, bottom - 1), outline=(255, 255, 255))


@cache
def _colours() -> NDArray[np.float64]:
    """Give 256 colours from dark to bright, (256, 3)."""
    # On demand: most who read faces draw none.
    from plotly.colors import sample_colorscale, unlabel_rgb

    return np.array([unlabel_rgb(colour) for colour in sample_colorscale("Inferno", np.linspace(0, 1, 256))])
