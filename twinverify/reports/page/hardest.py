"""The pairs that the best model gets most wrong, where its checkpoint and the images are still there."""

from typing import Final

from twinverify.errors import counted
from twinverify.faces.load import SYNTHETIC
from twinverify.reports.page.told import Hardest, Sweep

_HOW: Final = (
    "The pairs of validation images that trial {trial} gets most wrong, one of each family{part}. Bright is where the"
    " class token's attention comes from (attention rollout); {look} People are numbered by family, never"
    " named.{photographs}"
)
_LOOK: Final = {
    "rollout": "the {count} outlined patches are those that GLCA took as its queries.",
    "last_layer": "GLCA chose its patches by the last layer's attention alone, not by this map.",
    "random": "GLCA chose its patches at random, not by this map.",
    "none": "this model has no GLCA.",
}
_NO_FACES: Final = " Photographs are left out, since reports get passed on; faces=true shows them."


def hardest(sweep: Sweep, threshold: float | None, *, faces: bool) -> Hardest:
    """Find the hardest pairs with the kept model of the best trial.

    Args:
        sweep: the sweep.
        threshold: where the best trial's scores are cut in two; None = not known.
        faces: whether photographs may be shown; those of the synthetic twins always are.
    """
    best = sweep.best
    if best is None:
        return Hardest(why_not="No trial has a value yet.")
    if not sweep.checkpoint(best.trial).exists():
        return Hardest(why_not=f"The checkpoint of trial {best.trial.number}, the best, was not kept.")
    # torch takes seconds to import.
    from twinverify.reports.page.hard_pairs import find_pairs

    shows_faces = faces or sweep.options.data == SYNTHETIC
    try:
        found = find_pairs(sweep, best.trial, threshold, shows_faces=shows_faces)
    except Exception:  # whatever is wrong with images or weights, the rest of the page stands
        # Its words hold paths, and names of people.
        return Hardest(why_not="The images of the validation families, or the model, cannot be read any more.")
    if not found.groups:
        return Hardest(why_not="There are no pairs of validation images.")
    look = _LOOK[found.selection].format(count=found.outlined)
    fewer = f"; looked for among {found.looked_at} of the {counted(found.images, 'image')}"
    how = _HOW.format(
        trial=best.trial.number,
        part=fewer if found.looked_at < found.images else "",
        look=look,
        photographs="" if shows_faces else _NO_FACES,
    )
    return Hardest(how, found.groups)
