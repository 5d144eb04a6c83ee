"""The one kind of error that a user can mend, and the words that its lines are made of."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something that the user can mend: one line that says what is wrong, where, and what would be right.

    Commands print it and exit with status 2. Everything else is a bug and may show its traceback.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give the end of an error line: the nearest of `known`, or all of them where none is near and they are few."""
    candidates = sorted(set(known))
    if "." not in name and (near := get_close_matches(name, [key for key in candidates if "." not in key], n=1)):
        # `traisl` for `trials`, though `train.lr` has more letters in common.
        return f"did you mean {near[0]}?"
    last_parts = {candidate.rsplit(".", 1)[-1]: candidate for candidate in candidates}
    near = get_close_matches(name, candidates, n=1, cutoff=0.6)
    if not near:
        # `local_ratio` for `model.glca.local_ratio`: the last part alone is what people remember.
        near = [last_parts[part] for part in get_close_matches(name.rsplit(".", 1)[-1], last_parts, n=1, cutoff=0.8)]
    if near:
        return f"did you mean {near[0]}?"
    if 0 < len(candidates) <= 12:
        return f"known: {', '.join(candidates)}"
    return "see --help for the names"


def some(names: Iterable[object], limit: int = 3) -> str:
    """Give the first few names for an error line, on one line whatever is in them: `a, b, c and 4 more`."""
    texts = [text if (text := str(name)).isprintable() else ascii(text) for name in names]
    rest = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + rest


def counted(number: int, noun: str, nouns: str = "") -> str:
    """Give `1 pair` or `3 pairs`."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
