"""Two faces side by side, with what the model looked at over each."""

from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from twinverify.durable import aside, told_if_disk_fails
from twinverify.errors import UserError
from twinverify.faces.overlay import attention_over, face_picture
from twinverify.serving.model import Look, Verdict

#: By the file's ending.
KINDS: Final = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

_SIDE: Final = 256
_GAP: Final = 12
_LINE: Final = 30
_PAPER, _INK = (255, 255, 255), (34, 39, 46)


def check_picture(path: Path) -> None:
    """Refuse a picture that could not be written, before anything heavy starts.

    Raises:
        UserError: its ending is not that of a picture, its folder is not there, or it is a folder.
    """
    if path.suffix.lower() not in KINDS:
        raise UserError(f"picture={path}: the ending says what kind it is; give one of {', '.join(KINDS)}")
    if path.is_dir():
        raise UserError(f"picture={path}: is a folder; give a file")
    if not path.absolute().parent.is_dir():
        raise UserError(f"picture={path}: there is no folder {path.parent}; make it first")


def write_picture(path: Path, looks: tuple[Look, Look], verdict: Verdict) -> None:
    """Write the picture: for each photograph the face as the model sees it, and what it looked at there.

    Raises:
        UserError: the file cannot be written.
    """
    width, height = 4 * _SIDE + 5 * _GAP, _SIDE + 2 * _GAP + _LINE
    picture = Image.new("RGB", (width, height), _PAPER)
    for place, look in enumerate(looks):
        left = _GAP + place * 2 * (_SIDE + _GAP)
        picture.paste(face_picture(look.face, _SIDE), (left, _GAP))
        glowing = attention_over(look.attention, look.outlined, look.face, _SIDE)
        picture.paste(glowing, (left + _SIDE + _GAP, _GAP))
    words = f"score {verdict.score:.4f}, threshold {verdict.threshold:.4f}: {verdict.decision}"
    font = ImageFont.load_default(size=18)
    ImageDraw.Draw(picture).text((_GAP, _SIDE + 2 * _GAP), words, fill=_INK, font=font)
    try:
        with told_if_disk_fails(path, work="work"), aside(path) as temporary:
            picture.save(temporary, KINDS[path.suffix.lower()])
    except OSError as error:
        raise UserError(f"picture={path}: cannot be written ({error.strerror or error})") from None
