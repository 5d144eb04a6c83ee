"""The ROC of a trial's best epoch as a picture, drawn from its kept scores: curves only, nobody's face."""

import logging
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinverify.durable import aside, leftovers, remove
from twinverify.faces.pictures import epoch_of, save_picture
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.general_curves import GeneralCurves
from twinverify.verification.objective import LEAST_BEYOND
from twinverify.verification.resampling import Resampling
from twinverify.verification.twin_curves import TwinCurves

Floats = NDArray[np.float64]

_POINTS: Final = 60
# Okabe and Ito's colours, as in the pictures of a model folder.
_COLOURS: Final = {"twins": "#d55e00", "unrelated people": "#0072b2"}


def draw_roc(scores: FamilyScores, path: Path) -> None:
    """Write the ROC against twins and against unrelated people, unless that of the same epoch is there."""
    if epoch_of(path) == scores.epoch:
        return
    # Its first use on a machine looks through all fonts, and says so.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # On demand, and without pyplot, which would look for a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.2), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    for name, (far, tar, eer) in _curves(scores).items():
        axes.plot(far, tar, color=_COLOURS[name], label=f"against {name}, EER {eer:.3f}")
        axes.plot([eer], [1 - eer], "o", color=_COLOURS[name])
    axes.set(xscale="log", ylim=(0, 1.02), xlabel="false match rate", ylabel="true match rate")
    axes.set_title(f"ROC of the validation families, epoch {scores.epoch}", fontsize=10)
    axes.grid(color="0.9")
    if axes.lines:
        axes.legend(frameon=False, loc="lower right")
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    for left in leftovers(path.parent, (path.name,)):
        remove(left)
    with aside(path) as temporary, Image.open(drawn) as picture:
        save_picture(picture.convert("RGB"), temporary, scores.epoch)


def _curves(scores: FamilyScores) -> dict[str, tuple[Floats, Floats, float]]:
    """Give FARs, the TAR at each, and the EER of the families as they are; without those that too few pairs give."""
    found = {}
    for name, (impostors, of) in _KINDS.items():
        pairs = impostors(scores)
        if pairs > LEAST_BEYOND and len(scores.same):
            curves = of(scores)
            far = np.geomspace(LEAST_BEYOND / pairs, 1, _POINTS, endpoint=False)
            tar = np.array([curves.tar(float(each))[0] for each in far])
            found[name] = far, tar, float(curves.eer()[0])
    return found


def _twins(scores: FamilyScores) -> TwinCurves:
    return TwinCurves(scores, Resampling.draw(scores, rounds=0).weights)


def _unrelated(scores: FamilyScores) -> GeneralCurves:
    return GeneralCurves(scores, Resampling.draw(scores, rounds=0))


#: How many impostor pairs there are, and the curves.
_KINDS: Final[dict[str, tuple[Callable[[FamilyScores], int], Callable[[FamilyScores], TwinCurves | GeneralCurves]]]] = {
    "twins": (lambda scores: len(scores.twin), _twins),
    "unrelated people": (lambda scores: int(scores.general.sum()), _unrelated),
}
