"""`sealed_test.yaml`: each opening of the sealed test by a sweep, with what it gave."""

from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import Field, ValidationError

from twinverify.config import leaves
from twinverify.durable import told_if_disk_fails, write_text
from twinverify.errors import UserError
from twinverify.fields import explain
from twinverify.search.confirm.plan import Confirmation
from twinverify.search.confirm.register import Opening
from twinverify.settings import Settings
from twinverify.yaml12 import read_yaml

RESULT_FILE: Final = "sealed_test.yaml"


class StoredFigure(Settings):
    """A figure as `sealed_test.yaml` has it."""

    value: float
    interval: tuple[float, float] | None
    sd_over_seeds: float | None = None


class StoredConfiguration(Settings):
    """What a configuration did."""

    trial: int
    digest: str
    settings: dict[str, Any]
    figures: dict[str, StoredFigure]
    #: P3: mean accuracy and its sd over the folds, the means over the models; None: too few families.
    fold_accuracy: dict[str, float] | None


class StoredTest(Settings):
    """One opening with what it gave."""

    opening: Opening
    test: dict[str, int | str]
    seeds: list[int]
    #: None: not scored yet, or not scorable. The second is None where the default is itself the winner.
    winner: StoredConfiguration | None = None
    default: StoredConfiguration | None = None
    #: The winner's figures less the default's, paired by family.
    less_default: dict[str, StoredFigure] = Field(default_factory=dict)
    #: Why there are no figures, where a model gives a test image no embedding that could be compared.
    not_scorable: str | None = None


class SealedResults(Settings):
    """`sealed_test.yaml`: all openings by one sweep."""

    format: Literal[1] = 1
    note: str = (
        "P1 twin_*, P2 and P4 general_*, P3 fold_accuracy, P5 *_at_fmr_* (threshold for that FMR of unrelated people);"
        " means over the seeds' models, 95 % intervals by family bootstrap"
    )
    tests: list[StoredTest] = Field(default_factory=list)


def result_path(confirmation: Confirmation) -> Path:
    """Give the file of the results."""
    return confirmation.of.folder / RESULT_FILE


def read_results(path: Path) -> SealedResults:
    """Read `sealed_test.yaml`; without such a file, no results.

    Raises:
        UserError: it is damaged.
    """
    if not path.exists():
        return SealedResults()
    try:
        found: SealedResults = SealedResults.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, leaves(SealedResults))}; restore it from a copy") from None
    return found


def write_test(confirmation: Confirmation, test: StoredTest) -> None:
    """Write an opening, or its result, among those of `sealed_test.yaml`.

    Raises:
        UserError: the disk is full, or the file is damaged.
    """
    path = result_path(confirmation)
    results = read_results(path)
    others = [each for each in results.tests if each.opening.number != test.opening.number]
    tests = sorted([*others, test], key=lambda each: each.opening.number)
    tree = results.model_copy(update={"tests": tests}).model_dump(mode="json")
    with told_if_disk_fails(path):
        write_text(path, yaml.safe_dump(tree, sort_keys=False, width=120))
