"""Takes out of a text what a page that gets passed on must not tell: whose picture it was, and where it lay."""

import re
from typing import Final

# Absolute paths, and files with a picture's ending; metrics are spelled with a slash as well (`val/twin_eer`).
_FILES: Final = re.compile(
    r"(?<![\w<])(?:/[\w.@+~-]+){2,}/?|[\w./~-]*[\w-]\.(?:jpe?g|png|pgm|ppm|bmp|webp|tiff?)\b", re.IGNORECASE
)


def without_files(text: str) -> str:
    """Give a text with each path and picture file in it as `[file]`: their names hold people's ids."""
    return _FILES.sub("[file]", text)
