"""What a model folder tells of its model: `model.json`, typed, with the version of its form."""

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from twinverify.errors import UserError
from twinverify.settings import Settings

#: Of `model.json` and of what lies beside it; goes up when an older version could not read it.
FORMAT: Final = 1

#: Its name in the sweep's folder.
FOLDER: Final = "best"

FACTS_FILE: Final = "model.json"
WEIGHTS_FILE: Final = "model.safetensors"
CONFIG_FILE: Final = "config.yaml"
CARD_FILE: Final = "README.md"

#: The wanted FMRs of unrelated people, the strictest first: the first with enough pairs is taken. At these FARs the
#: kept thresholds are exact.
WANTED_FMRS: Final = (1e-3, 1e-2, 1e-1)


class Rate(Settings):
    """A rate or a metric with its 95 % interval by family bootstrap; without ends where that is not estimable."""

    value: float
    low: float | None = None
    high: float | None = None


class OperatingPoint(Settings):
    """The threshold, and what it does to the validation families; it stays as it is while they are resampled."""

    threshold: float = Field(description="pairs that score at least so high are taken for one person")
    rule: Literal["unrelated_fmr", "general_eer", "twin_eer"] = Field(
        description="P5: a wanted FMR of unrelated people; with too few pairs for that: where FMR and FNMR are equal"
    )
    wanted_fmr: float | None = Field(None, description="of unrelated people, under the rule unrelated_fmr")
    unrelated_fmr: Rate | None = Field(None, description="false match rate of unrelated people")
    twin_fmr: Rate | None = Field(None, description="false match rate of twins")
    fnmr: Rate = Field(description="false non-match rate: share of the same-person pairs below the threshold")


class Calibration(Settings):
    """From a score to the shares of the validation pairs that score at least so high."""

    score: list[float] = Field(description="rising")
    unrelated: list[float] | None = Field(None, description="FMR of unrelated people at each score as a threshold")
    twin: list[float] | None = Field(None, description="FMR of twins there")
    same: list[float] = Field(description="share of the same-person pairs accepted there")


class SweepFacts(Settings):
    """Which training of which sweep it is."""

    name: str
    id: str
    space: str
    objective: str
    trial: int
    epoch: int


class DataFacts(Settings):
    """How much data stands behind it; counts only."""

    name: str
    people: int | None = None
    images: int | None = None
    twin_pairs: int | None = None
    #: Of the validation side, which threshold and rates rest on.
    families: int
    same_scores: int
    twin_scores: int
    unrelated_scores: int


class Facts(Settings):
    """All of `model.json`."""

    format: Literal[1] = FORMAT
    versions: dict[str, str]
    sweep: SweepFacts
    image_size: int = Field(description="side of the square that a face is brought to, pixels")
    embedding_width: int
    device: Literal["cpu", "cuda"] = Field(description="where it was validated")
    data: DataFacts
    metrics: dict[str, Rate] = Field(description="of the validation families")
    operating_point: OperatingPoint
    calibration: Calibration

    def to_json(self) -> str:
        """Give the text of `model.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=1) + "\n"


def read_facts(folder: Path) -> Facts:
    """Read a model folder's `model.json`.

    Raises:
        UserError: it is not there, damaged, or of another version.
    """
    path = folder / FACTS_FILE
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"model {folder}: not a model folder ({FACTS_FILE} is missing)") from None
    except (OSError, ValueError, RecursionError) as error:  # the last: ten thousand brackets
        raise UserError(f"model {folder}: {FACTS_FILE} cannot be read ({error}); make the folder anew") from None
    _check_version(folder, tree)
    try:
        return Facts.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"model {folder}: {FACTS_FILE} is damaged ({where}: {first['msg']})") from None


def _check_version(folder: Path, tree: Any) -> None:
    if not isinstance(tree, dict) or "format" not in tree:
        raise UserError(f"model {folder}: {FACTS_FILE} is not that of a model")
    if tree["format"] != FORMAT:
        versions = tree.get("versions")
        maker = versions.get("twinverify", "an unknown version") if isinstance(versions, dict) else "an unknown version"
        raise UserError(
            f"model {folder}: of format {tree['format']}, made by twinverify {maker}; this version reads format"
            f" {FORMAT}: use that version, or make the folder anew"
        )
