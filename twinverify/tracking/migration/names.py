"""Names that MLflow takes, for metrics and parameters that another tracker has named.

One rule: letters, digits, `_ - . : /` and blanks stay, all else becomes `_`, as do a part of a path that is empty, and
the dots that one begins with; what is longer than 200 characters is cut; where a name is also the folder of others
(`loss` beside `loss/train`), it gets `_` at its end, as does one that another has already.
"""

import re
from collections.abc import Iterable
from typing import Final

#: MLflow takes 250; this leaves room for what makes names differ.
_LONGEST: Final = 200


def mapped(names: Iterable[str]) -> dict[str, str]:
    """Give each name's name in MLflow; the same names always get the same."""
    allowed = {name: _allowed(name) for name in sorted(set(names))}
    folders = {folder for name in allowed.values() for folder in _folders(name)}
    taken: dict[str, str] = {}
    # Those that stay as they are have the first claim.
    for name in sorted(allowed, key=lambda name: (allowed[name] != name, name)):
        candidate = allowed[name]
        while candidate in folders or candidate in taken.values():
            candidate += "_"
        taken[name] = candidate
    return taken


def _allowed(name: str) -> str:
    parts = re.sub(r"[^/\w.\- :]", "_", name)[:_LONGEST].split("/")
    return "/".join(re.sub(r"^(\.+|$)", "_", part.strip()) for part in parts)


def _folders(name: str) -> Iterable[str]:
    parts = name.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))
