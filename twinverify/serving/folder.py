"""Makes a sweep's `best/`: all that using its best model takes, and nothing of anybody's face."""

from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from twinverify.config import dump_config, flatten, load_config, with_values, without_places
from twinverify.durable import aside, leftovers, remove, set_aside, told_if_disk_fails, write_text
from twinverify.errors import UserError
from twinverify.model.dcal import Dcal
from twinverify.search.past import PastSweep, read_past, trial_folder
from twinverify.search.record import Judged
from twinverify.search.versions import installed_versions
from twinverify.serving.calibration import as_rate, calibration, operating_point
from twinverify.serving.card import model_card
from twinverify.serving.facts import (
    CARD_FILE,
    CONFIG_FILE,
    FACTS_FILE,
    FOLDER,
    FORMAT,
    WEIGHTS_FILE,
    DataFacts,
    Facts,
    SweepFacts,
    read_facts,
)
from twinverify.serving.pictures import PICTURES, draw_pictures
from twinverify.settings import Config
from twinverify.streams import visible
from twinverify.training.checkpoint import read_model
from twinverify.training.files import DamagedFileError, read_tensors, write_tensors
from twinverify.training.names import BEST, SCORES
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.intervals import estimates
from twinverify.verification.resampling import Resampling

_FILES: Final = (FACTS_FILE, WEIGHTS_FILE, CONFIG_FILE, CARD_FILE, *PICTURES)


def write_best_folder(folder: Path) -> Path | None:
    """Make `best/` in a sweep's folder from its best trial so far, the one of `best.yaml`.

    It holds weights, configuration, threshold with calibration, figures of the validation and a model card: no
    embedding, no photograph, no person's id, and not where anything lay. It takes the place of an older one whole; one
    of the same trial and epoch stays as it is. What a kill left of an older one under another name is put back before
    anything else, and goes when a newer one stands.

    Args:
        folder: the sweep's; the sweep may be interrupted or running.

    Returns:
        The model folder; None while no trial has a result.

    Raises:
        UserError: the sweep, its best weights or their scores cannot be read, or the disk takes no more.
    """
    past = read_past(folder)
    best = past.state.best()
    if best is None:
        return None
    place = folder / FOLDER
    lock = folder / f".{FOLDER}.lock"
    try:
        with told_if_disk_fails(place), FileLock(lock):
            try:
                _write(past, best, place)
            finally:
                lock.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{place}: cannot be written ({error.strerror or error})") from None
    return place


def _write(past: PastSweep, best: Judged, place: Path) -> None:
    _put_back(place)
    for path in leftovers(past.folder, (FOLDER,)):
        remove(path)
    _write_anew(past, best, place)
    for path in set_aside(place):
        remove(path)


def _put_back(place: Path) -> None:
    """Give the last model its name again where a kill came between the two renames that replace it."""
    if place.exists():
        return
    whole = [old for old in set_aside(place) if all((old / name).is_file() for name in _FILES)]
    if whole:
        whole[-1].replace(place)


def _write_anew(past: PastSweep, best: Judged, place: Path) -> None:
    source = trial_folder(past.folder, best.trial.number)
    kept = _kept(source, best)
    sweep = SweepFacts(
        name=past.name,
        id=past.stored.sweep_id,
        space=Path(past.stored.options.space or past.name).stem,
        objective=past.state.objective,
        trial=best.trial.number,
        epoch=kept["epoch"],
    )
    config = without_places(with_values(past.stored.config, best.trial.values, where=f"trial {best.trial.number}"))
    if _is_there(place, sweep, config):
        return
    scores = _scores(source, kept["epoch"])
    model = read_model(source / BEST)
    facts = _facts(past, best, sweep, model, scores)
    with aside(place) as temporary:
        temporary.mkdir()
        # Who was trained on is no matter of the model, nor where files lay: only the settings go with the weights.
        settings = {key: value for key, value in kept["identity"].items() if "." in key}
        settings |= {"model.weights": flatten(config)["model.weights"]}
        write_tensors(
            temporary / WEIGHTS_FILE, model.state_dict(), {"identity": settings, "epoch": sweep.epoch, "format": FORMAT}
        )
        write_text(temporary / CONFIG_FILE, _heading(sweep) + dump_config(config))
        write_text(temporary / FACTS_FILE, facts.to_json())
        draw_pictures(temporary, scores, facts)
        write_text(temporary / CARD_FILE, model_card(facts, config))


def _kept(source: Path, best: Judged) -> dict[str, Any]:
    """Give what the file of the best weights tells of them; after a kill it may be an epoch ahead of the journal."""
    try:
        return read_tensors(source / BEST)[1]
    except FileNotFoundError:
        raise UserError(
            f"{source / BEST}: the weights of trial {best.trial.number}, the best, are not there any more; train them"
            " again with python -m twinverify.train config=…/best.yaml"
        ) from None
    except DamagedFileError as error:
        raise UserError(f"{error}; restore it from a copy") from None


def _scores(source: Path, epoch: int) -> FamilyScores:
    if not (source / SCORES).exists():
        raise UserError(
            f"{source / SCORES}: is not there (versions before 0.3.0 kept no scores), so no threshold can be set"
        )
    scores = FamilyScores.load(source / SCORES)
    if scores.epoch != epoch:
        raise UserError(
            f"{source / SCORES}: holds the scores of epoch {scores.epoch}, and {BEST} beside it the weights of epoch"
            f" {epoch}; continue the sweep: it mends that"
        )
    if not len(scores.same) or not (len(scores.twin) or scores.general.sum()):
        raise UserError(f"{source / SCORES}: without pairs of both kinds no threshold can be set")
    return scores


def _is_there(place: Path, sweep: SweepFacts, config: Config) -> bool:
    try:
        same = read_facts(place).sweep == sweep and load_config(place / CONFIG_FILE) == config
        return same and all((place / name).is_file() for name in _FILES)
    except UserError:
        return False


def _facts(past: PastSweep, best: Judged, sweep: SweepFacts, model: Dcal, scores: FamilyScores) -> Facts:
    stored, counts = past.stored, past.stored.data_counts
    resampling = Resampling.draw(scores)
    return Facts(
        versions=installed_versions(),
        sweep=sweep,
        image_size=model.settings.shape().image_size,
        embedding_width=model.embedding,
        device="cuda" if "system/gpu_memory_peak_mib" in best.metrics else "cpu",
        data=DataFacts(
            name=Path(stored.options.data).name,
            people=counts and counts.people,
            images=counts and counts.images,
            twin_pairs=counts and counts.twin_pairs,
            families=len(scores.families),
            same_scores=len(scores.same),
            twin_scores=len(scores.twin),
            unrelated_scores=int(scores.general.sum()),
        ),
        metrics={name: as_rate(found) for name, found in estimates(scores, resampling).items()},
        operating_point=operating_point(scores, resampling),
        calibration=calibration(scores),
    )


def _heading(sweep: SweepFacts) -> str:
    name = visible(sweep.name, keep="")
    return f"# The configuration of the model beside it: sweep {name}, trial {sweep.trial}, epoch {sweep.epoch}.\n"
