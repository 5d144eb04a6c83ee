"""Why a trial failed, in words for a page that gets passed on: not whose picture it was, nor where it lay.

What an exception says may hold anything (a path, a person's id, a name), in any form. So none of it is shown: only what
this package's own code says, which holds none.
"""

import re
from typing import Final

from twinverify.search.files import ERROR_FILE
from twinverify.search.journal import FILE_NAME

# As `search/trial.py`, `search/state.py`, `search/deaths.py` and `search/causes.py` say it.
_OWN: Final = re.compile(
    r"epoch \d+: .+"  # training diverged, or the objective is not a number
    r"|out of GPU memory: .+"
    r"|its worker died too often(?:; the last time: killed, perhaps for want of memory)?"
)
_DIED: Final = "its worker died too often"
# The exception's type comes first, and no type of Python's or of a library's has an id's digits in it.
_TYPE: Final = re.compile(r"([A-Z][A-Za-z]*)(?::|$)")


def public_cause(cause: str) -> str:
    """Give why a trial failed as everybody may read it.

    Args:
        cause: as the journal has it; empty where there is none.

    Returns:
        The cause itself where our own code words it, else the exception's type, and where to read the rest.
    """
    if not cause or _OWN.fullmatch(cause):
        return cause
    if cause.startswith(_DIED):
        return f"{_DIED}; the rest stands in {FILE_NAME} of the sweep's folder"
    found = _TYPE.match(cause)
    kind = found[1] if found else "an error"
    return f"{kind}; the rest stands in {ERROR_FILE} of the trial's folder"
