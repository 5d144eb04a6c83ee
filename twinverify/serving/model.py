"""A model folder as something that tells whether two photographs show one person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from twinverify.config import flatten, load_config
from twinverify.errors import UserError
from twinverify.faces.images import BrokenImageError, quiet_pillow, read_square
from twinverify.model.dcal import Dcal
from twinverify.model.glca import local_count
from twinverify.serving.calibration import share_reaching
from twinverify.serving.facts import CONFIG_FILE, WEIGHTS_FILE, Facts, read_facts
from twinverify.settings import Config, ModelSettings, TrainSettings
from twinverify.training.augment import to_unit_range
from twinverify.training.checkpoint import read_model
from twinverify.training.device import Hardware, choose_hardware
from twinverify.verification.cosines import Unit, cosines

#: A file's path, or its content.
Photograph = str | Path | bytes
Decision = Literal["same person", "different people"]

# As in the validation: the last bits of an embedding depend on how many images go through the model at once.
_BATCH: Final = 64


class Verdict(NamedTuple):
    """What is told of two photographs.

    Attributes:
        score: cosine of the two embeddings, -1 to 1; higher = more alike.
        decision: whether the score reaches the threshold.
        threshold: the model's.
        unrelated_share: share of the unrelated validation pairs that score at least so high; None = there were none.
        twin_share: the same of the twin pairs.
    """

    score: float
    decision: Decision
    threshold: float
    unrelated_share: float | None
    twin_share: float | None


class Look(NamedTuple):
    """What a model looked at in one photograph.

    Attributes:
        face: (3, S, S) uint8, as the model sees it.
        attention: (N,) the attention rollout over the patches, row by row.
        outlined: how many patches, those with the most attention, GLCA took as its queries; 0 where it did not choose
            by the rollout.
    """

    face: NDArray[np.uint8]
    attention: NDArray[np.float32]
    outlined: int


@dataclass(frozen=True)
class Verifier:
    """A model with its threshold and calibration.

    Attributes:
        facts: what its folder tells of it.
        model: in evaluation mode, on the hardware's device.
        hardware: where it computes.
    """

    facts: Facts
    model: Dcal = field(repr=False)
    hardware: Hardware

    def verify(self, first: Photograph, second: Photograph) -> Verdict:
        """Judge two photographs.

        Raises:
            UserError: one of them is not there, or cannot be read as an image.
        """
        return self.verify_all([(first, second)])[0]

    def score(self, first: Photograph, second: Photograph) -> float:
        """Give the score of two photographs: what the validation would give them, but for the last bits."""
        return self.verify(first, second).score

    def verify_all(self, pairs: Sequence[tuple[Photograph, Photograph]]) -> list[Verdict]:
        """Judge many pairs; a photograph in several of them is read and embedded once."""
        place: dict[Photograph, int] = {}
        for photograph in (each for pair in pairs for each in pair):
            place.setdefault(photograph, len(place))
        if not place:
            return []
        unit = Unit(self._embed(list(place)), block=4096)
        first, second = (np.array([place[pair[side]] for pair in pairs], np.int64) for side in (0, 1))
        return [self._judge(score) for score in cosines(unit, first, second).tolist()]

    def look(self, photograph: Photograph) -> Look:
        """Tell what the model looked at."""
        face = self._read(photograph)
        glca = self.model.settings.glca
        by_rollout = glca.blocks > 0 and glca.selection == "rollout"
        with torch.inference_mode():
            attention = self.model.look(self._images([face]))[0].cpu().numpy()
        return Look(face, attention, local_count(glca, len(attention)) if by_rollout else 0)

    @property
    def looked_at(self) -> str:
        """What the picture of a look shows, in words."""
        glca = self.model.settings.glca
        if not glca.blocks:
            return "this model has no GLCA; bright is where the attention of its SA blocks comes from (rollout)"
        how = {
            "rollout": "outlined are the patches that GLCA took as its queries",
            "last_layer": "GLCA chose its queries by the last layer's attention alone, not by this map",
            "random": "GLCA chose its queries at random, not by this map",
        }[glca.selection]
        return f"bright is where the class token's attention comes from (rollout); {how}"

    def _judge(self, score: float) -> Verdict:
        threshold, table = self.facts.operating_point.threshold, self.facts.calibration
        decision: Decision = "same person" if score >= threshold else "different people"
        shares = (share_reaching(table, kind, score) for kind in ("unrelated", "twin"))
        return Verdict(score, decision, threshold, *shares)

    def _embed(self, photographs: Sequence[Photograph]) -> NDArray[np.float32]:
        """Give the embeddings (B, E) of some photographs."""
        parts = []
        for start in range(0, len(photographs), _BATCH):
            faces = [self._read(each) for each in photographs[start : start + _BATCH]]
            with torch.inference_mode(), self.hardware.autocast():
                parts.append(self.model.embed(self._images(faces)).float().cpu().numpy())
        return np.concatenate(parts)

    def _images(self, faces: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        return to_unit_range(torch.from_numpy(np.stack(faces)).to(self.hardware.device))

    def _read(self, photograph: Photograph) -> NDArray[np.uint8]:
        """Give a photograph (3, S, S) as the validation sees its images."""
        source = Path(photograph) if isinstance(photograph, str) else photograph
        name = "an image" if isinstance(source, bytes) else str(source)
        if isinstance(source, Path):
            if not source.exists():
                raise UserError(f"{name}: there is no such file")
            if source.is_dir():
                raise UserError(f"{name}: is a folder; give an image file")
        try:
            with quiet_pillow():
                return read_square(source, self.facts.image_size)
        except BrokenImageError as error:
            raise UserError(f"{name}: cannot be read as an image ({error}); give a JPEG, PNG or the like") from None


def load_model(folder: Path | str) -> Verifier:
    """Load a model folder, such as `tune_runs/NAME/best`; nothing of it is executed, nothing is fetched.

    It computes on the GPU where it was validated on one and there is one; else on the CPU, in the precision of its
    configuration where this machine has it.

    Raises:
        UserError: it is no model folder, of another version, or damaged.
    """
    folder = Path(folder)
    facts = read_facts(folder)
    if not (folder / CONFIG_FILE).exists():
        raise UserError(f"model {folder}: not a whole model folder ({CONFIG_FILE} is missing); make it anew")
    config = load_config(folder / CONFIG_FILE)
    try:
        model = read_model(folder / WEIGHTS_FILE)
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:120]
        raise UserError(f"model {folder}: its weights do not fit its configuration here ({reason})") from None
    size = model.settings.shape().image_size
    if (size, model.embedding) != (facts.image_size, facts.embedding_width):
        raise UserError(f"model {folder}: its files are of different models; make the folder anew")
    _check_same(folder, config.model, model.settings)
    hardware = _hardware(config.train, facts.device)
    return Verifier(facts, model.to(hardware.device), hardware)


def _check_same(folder: Path, told: ModelSettings, built: ModelSettings) -> None:
    """Refuse a configuration that is not that of the weights: a change there would change nothing, unseen."""
    # Where the weights once came from is no part of the model.
    of_file, of_weights = (
        flatten(Config(model=each.model_copy(update={"pretrained": False, "weights": None}))) for each in (told, built)
    )
    different = [key for key, value in of_weights.items() if of_file[key] != value]
    if different:
        key = different[0]
        raise UserError(
            f"model {folder}: {CONFIG_FILE} is not that of the weights: {key} is {of_file[key]} there,"
            f" {of_weights[key]} in {WEIGHTS_FILE}; to change a setting, train anew"
        )


def _hardware(settings: TrainSettings, validated_on: str) -> Hardware:
    on_gpu = validated_on == "cuda" and torch.cuda.is_available()
    # A GPU's precision is not a CPU's: without the GPU, float32 is the nearest to what was validated.
    amp = settings.amp if on_gpu or validated_on == "cpu" else "off"
    wanted = settings.model_copy(update={"device": "cuda" if on_gpu else "cpu", "amp": amp})
    try:
        return choose_hardware(wanted)
    except UserError:  # another machine than that of the validation
        return choose_hardware(wanted.model_copy(update={"amp": "off"}))
