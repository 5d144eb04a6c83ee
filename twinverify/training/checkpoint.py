"""The last and the best state of a training in its folder.

`last.safetensors` holds everything that going on exactly needs, `previous.safetensors` the same of the epoch before, in
case the last one is damaged. `best.safetensors` holds the weights of the best epoch, as they were validated. The JSON
files beside them are for people. No random state is kept: it is a function of seed and epoch.
"""

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from twinverify.config import flatten, with_values
from twinverify.errors import UserError
from twinverify.faces.faceset import FaceSet
from twinverify.model.dcal import Dcal
from twinverify.settings import Config
from twinverify.training.alone import FolderError, cannot_be
from twinverify.training.files import DamagedFileError, read_tensors, write_json, write_tensors
from twinverify.training.learner import Learner
from twinverify.training.names import BEST, BEST_VALUES, LAST, LAST_VALUES, PREVIOUS
from twinverify.training.report import EpochReport, best_epoch

_log = logging.getLogger(__name__)


def identity_of(config: Config, train: FaceSet, objective: str) -> dict[str, Any]:
    """Give what two runs must share to be the same training: settings, objective, people, how many images of each."""
    people = hashlib.sha256(repr(train.person_ids).encode() + train.person.tobytes()).hexdigest()
    return flatten(config) | {"objective": objective, "training people": people[:16]}


def save_epoch(folder: Path, learner: Learner, identity: dict[str, Any], reports: list[EpochReport]) -> None:
    """Write the state after the last of `reports`, and its weights as the best ones where it is the best.

    The state before becomes the previous one. A kill in the middle leaves that or both; one between the two files is
    mended by `load_last`: the best weights are in the state.
    """
    last = folder / LAST
    if last.exists():
        last.replace(folder / PREVIOUS)
    tensors, values = learner.state()
    history = [{"epoch": report.epoch, "metrics": report.metrics} for report in reports]
    seconds = [report.seconds for report in reports]
    write_tensors(last, tensors, {"identity": identity, "learner": values, "reports": history, "seconds": seconds})
    write_json(folder / LAST_VALUES, history[-1])
    if best_epoch(reports, identity["objective"]) == reports[-1].epoch:
        _save_best(folder, learner, identity, reports[-1])


def load_last(folder: Path, learner: Learner, identity: dict[str, Any]) -> list[EpochReport]:
    """Bring `learner` to the newest good state of the folder, and what else it holds to that of the state.

    Returns:
        The reports of all epochs so far; none where there is no good state: the training then begins anew, to the
        same numbers. A damaged file is put aside as `*.damaged` and a warning is logged; so is a state whose best
        weights are lost, being neither in their file nor in the state.

    Raises:
        UserError: the folder holds another training's state.
    """
    for path in (folder / LAST, folder / PREVIOUS):
        if path.exists():
            try:
                tensors, values = read_tensors(path)
                _check_same(folder, values["identity"], identity)
                reports = _reports(values)
                kept = _check_best(folder, identity, reports)
            except DamagedFileError as error:
                _log.warning("%s; going on from the epoch before", error)
                path.replace(path.with_suffix(".damaged"))
                continue
            learner.restore(tensors, values["learner"])
            write_json(folder / LAST_VALUES, values["reports"][-1])
            if kept is None:
                _save_best(folder, learner, identity, reports[-1])
            else:
                write_json(folder / BEST_VALUES, kept)
            return reports
    return []


def check_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Refuse a folder that holds another training, and one that cannot be; a damaged state is no training.

    Raises:
        UserError: the folder holds another training's state, or cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_be(folder, error) from None
    for path in (folder / LAST, folder / PREVIOUS):
        with suppress(DamagedFileError, FileNotFoundError):
            _check_same(folder, read_tensors(path)[1]["identity"], identity)
            return


def read_model(path: Path) -> Dcal:
    """Build the model of a `best.safetensors`, on the CPU, in evaluation mode; nothing is fetched.

    Raises:
        UserError: the file is damaged or not there.
    """
    try:
        tensors, values = read_tensors(path)
    except (DamagedFileError, FileNotFoundError) as error:
        raise UserError(f"model {path}: cannot be read ({error})") from None
    identity = values.get("identity")
    if not isinstance(identity, dict):
        raise UserError(f"model {path}: does not tell its settings")
    settings = {key: value for key, value in identity.items() if "." in key}
    # The weights are all in the file: neither the network nor the file that they once came from is needed.
    config = with_values(Config(), settings | {"model.pretrained": False, "model.weights": None}, where=str(path))
    # First without memory: a file of a kilobyte may say that it is of a model which fills any.
    with torch.device("meta"):
        Dcal(config.model).load_state_dict(tensors, assign=True)
    model = Dcal(config.model)
    model.load_state_dict(tensors)
    return model.eval()


def _save_best(folder: Path, learner: Learner, identity: dict[str, Any], report: EpochReport) -> None:
    """Write the weights as they were validated (the averaged ones where averaging is on), and what they reached."""
    values = {"epoch": report.epoch, "metrics": report.metrics, "identity": identity}
    write_tensors(folder / BEST, learner.judged.state_dict(), values)
    write_json(folder / BEST_VALUES, values)


def _reports(values: dict[str, Any]) -> list[EpochReport]:
    seconds = dict(enumerate(values.get("seconds", ())))
    return [EpochReport(each["epoch"], each["metrics"], seconds.get(n)) for n, each in enumerate(values["reports"])]


def _check_best(folder: Path, identity: dict[str, Any], reports: list[EpochReport]) -> dict[str, Any] | None:
    """Give what is told in the file of the best weights; None where it is to be written from the state's own weights.

    Raises:
        DamagedFileError: the weights of the best epoch are lost: the file is damaged or of an earlier epoch.
    """
    wanted, now = best_epoch(reports, identity["objective"]), reports[-1].epoch
    try:
        values = read_tensors(folder / BEST)[1]
        epoch = values["epoch"] if _as_now(values["identity"]) == identity else None
        cause = f"{folder / BEST}: does not hold the weights of epoch {wanted}"
    except (DamagedFileError, FileNotFoundError) as error:
        values, epoch, cause = {}, None, str(error)
    # A later epoch than the state's has been there before, will be computed again, and was better than all here.
    if epoch == wanted or (epoch is not None and epoch > now > wanted):
        return values
    if wanted == now:
        return None
    raise DamagedFileError(cause)


def _as_now(saved: dict[str, Any]) -> dict[str, Any]:
    """Fill in the settings that came after a file was written, at their defaults: what they were without them."""
    return flatten(Config()) | saved


def _check_same(folder: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    saved = _as_now(saved)
    different = [key for key in sorted(saved.keys() | wanted.keys()) if saved.get(key) != wanted.get(key)]
    if different:
        key = different[0]
        more = f" and {len(different) - 1} more" if len(different) > 1 else ""
        raise FolderError(
            f"{folder}: holds a checkpoint of another training: {key} is {saved.get(key)} there, {wanted.get(key)} here"
            f"{more}; choose another folder"
        )
