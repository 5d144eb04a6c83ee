"""What the model looked at, drawn for a page: pictures as data addresses, so that nothing is loaded."""

import base64
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinverify.faces.overlay import attention_over, face_picture

#: Side of a picture, pixels.
SIDE: Final = 160


def heat_map(look: NDArray[np.float32], chosen: int, face: NDArray[np.uint8] | None) -> str:
    """Draw where the class token looked.

    Args:
        look: (N,) the rollout over the patches, row by row.
        chosen: how many patches to outline, those with the most attention; 0 for none.
        face: (3, S, S) the photograph to draw it over; None = the map alone.

    Returns:
        A picture as a data address.
    """
    return _address(attention_over(look, chosen, face, SIDE), "PNG" if face is None else "JPEG")


def photograph(face: NDArray[np.uint8]) -> str:
    """Give a face (3, S, S) as a data address."""
    return _address(face_picture(face, SIDE), "JPEG")


def _address(picture: Image.Image, kind: str) -> str:
    file = BytesIO()
    picture.save(file, kind, quality=88, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
