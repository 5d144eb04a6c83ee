"""Names from outside in Markdown: shown letter by letter, no markup and no HTML of theirs."""

import re

from twinverify.streams import visible


def plain(text: object) -> str:
    """Give a text that stands for itself, in a table's cell too."""
    return re.sub(r"([\\`<>&|\[\]])", r"\\\1", visible(str(text), keep=""))


def code(text: object) -> str:
    """Give a text as code; what would end it is shown as plain text instead."""
    shown = visible(str(text), keep="")
    return plain(text) if re.search(r"[`|]", shown) or not shown.strip() else f"`{shown}`"
