"""From what stands after `model=` to a model folder."""

from pathlib import Path

from twinverify.errors import UserError, did_you_mean
from twinverify.search.past import find_sweep
from twinverify.search.stored import is_sweep, sweeps_in
from twinverify.serving.facts import FACTS_FILE, FOLDER


def find_model(model: str, output: Path) -> Path:
    """Give the folder of a model; of a sweep that has none yet it is made.

    Args:
        model: a model folder, a sweep's folder, or the name of a sweep.
        output: the folder of the sweeps.

    Raises:
        UserError: there is no such thing, or the sweep has no result yet.
    """
    place = Path(model).expanduser()
    if (place / FACTS_FILE).exists():
        return place
    if is_sweep(place):
        return _of_sweep(place)
    if place.name == FOLDER and is_sweep(place.parent):
        return _of_sweep(place.parent)
    if place.is_dir() and (len(place.parts) > 1 or model not in sweeps_in(output)):
        raise UserError(f"model {model}: not a model folder ({FACTS_FILE} is missing)")
    if len(place.parts) > 1:
        known = sweeps_in(place.parent.parent if place.name == FOLDER else place.parent)
        name = place.parent.name if place.name == FOLDER else place.name
        raise UserError(f"model {model}: there is no such folder{'; ' + did_you_mean(name, known) if known else ''}")
    try:
        return _of_sweep(find_sweep(model, output))
    except UserError as error:
        raise UserError(f"model {model}: {error}") from None


def _of_sweep(folder: Path) -> Path:
    best = folder / FOLDER
    if (best / FACTS_FILE).exists():
        return best
    # torch takes seconds to import.
    from twinverify.serving.folder import write_best_folder

    try:
        made = write_best_folder(folder)
    except UserError:
        if not (best / FACTS_FILE).exists():
            raise
        return best  # the last one, which a kill had left under another name
    if made is None:
        raise UserError(f"sweep {folder.name}: none of its trials has a result yet, so it has no model")
    return made
