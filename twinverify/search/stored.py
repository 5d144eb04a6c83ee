"""Reads what a sweep is from its folder: from the journal, or from `sweep.yaml` where the journal does not tell."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from twinverify.config import flatten
from twinverify.errors import UserError, some
from twinverify.search.journal import FILE_NAME, has_events, read_events
from twinverify.search.links import refuse_links
from twinverify.search.options import STORED
from twinverify.search.planned import SPACE_FILE, SWEEP_FILE, StoredSweep
from twinverify.search.space import digest_of
from twinverify.yaml12 import parse_yaml, read_yaml

__all__ = ["SPACE_FILE", "SWEEP_FILE", "KnownSweep", "StoredSweep", "is_sweep", "read_known", "read_sweep", "sweeps_in"]


@dataclass(frozen=True)
class KnownSweep:
    """A sweep as its folder tells it.

    Attributes:
        sweep: what it was started with, and what has been changed of it since.
        space: the text of its space.
        drawn: how many trials it has.
        trackings: where its runs were to be kept, plan by plan; the last is the present one.
        notes: what the user should be told of its files.
    """

    sweep: StoredSweep
    space: str
    drawn: int
    trackings: tuple[str | None, ...]
    notes: tuple[str, ...] = ()


def is_sweep(folder: Path) -> bool:
    """Tell whether a sweep has begun in a folder; a start that was killed before its first line left none."""
    return (folder / SWEEP_FILE).exists() or has_events(folder)


def sweeps_in(output: Path) -> list[str]:
    """Give the names of the sweeps in a folder."""
    found = {path.parent for file in (SWEEP_FILE, FILE_NAME) for path in output.glob(f"*/{file}")}
    return sorted(folder.name for folder in found if is_sweep(folder))


def read_sweep(folder: Path) -> StoredSweep:
    """Give what the sweep in `folder` was started with: see `read_known`."""
    return read_known(folder).sweep


def read_known(folder: Path) -> KnownSweep:
    """Read a sweep: the journal's last plan counts; the first version's journals have none, nor has one cut to nothing.

    Raises:
        UserError: neither the journal nor the files beside it tell the plan, it is of another version, or a link leads
            out of the folder.
    """
    refuse_links(folder)
    entries = read_events(folder, "planned", "drawn")
    plans = [entry for entry in entries if entry["event"] == "planned"]
    drawn = len(entries) - len(plans)
    if not plans:
        sweep, space = _from_files(folder)
        return KnownSweep(sweep, space, drawn, (sweep.options.tracking,))
    try:
        stored = [StoredSweep.model_validate(plan["sweep"], context=STORED) for plan in plans]
    except ValidationError as error:
        raise UserError(f"{folder / FILE_NAME}: {_not_ours(error)}") from None
    trackings = tuple(sweep.options.tracking for sweep in stored)
    return KnownSweep(stored[-1], plans[-1]["space"], drawn, trackings, _notes(folder, stored[-1], plans[-1]["space"]))


def _from_files(folder: Path) -> tuple[StoredSweep, str]:
    try:
        sweep = _read_sweep_file(folder)
        return sweep, _read_space_file(folder, sweep)
    except UserError as error:
        raise UserError(
            f"{error}; {FILE_NAME} beside it does not tell the plan either; restore one of them from a copy"
        ) from None


def _read_sweep_file(folder: Path) -> StoredSweep:
    path = folder / SWEEP_FILE
    tree = read_yaml(path)
    try:
        sweep = StoredSweep.model_validate(tree, context=STORED)
    except ValidationError as error:
        raise UserError(f"{path}: {_not_ours(error)}") from None
    text = path.read_text(encoding="utf-8")
    # The first version did not mark the end; what it wrote last was this setting.
    is_old = "versions" not in tree and text.endswith("\n") and "seed" in tree["config"].get("synthetic", {})
    if not (is_old or text.rstrip().endswith("\n...")):
        raise UserError(f"{path}: its end is missing")
    return sweep


def _read_space_file(folder: Path, sweep: StoredSweep) -> str:
    path = folder / SPACE_FILE
    lines: Any = read_yaml(path)
    if not isinstance(lines, dict) or digest_of(lines) != sweep.space_digest:
        raise UserError(f"{path}: not the space that the sweep was started with, or only a part of it")
    return path.read_text(encoding="utf-8")


def _not_ours(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    return f"not a whole sweep of this version of twinverify: {where}: {first['msg']}"


def _notes(folder: Path, sweep: StoredSweep, space: str) -> tuple[str, ...]:
    """Tell who has edited `sweep.yaml` or `space.yaml` that only the command line changes a sweep."""
    changed: list[str] = []
    try:
        shown, told = flatten(_read_sweep_file(folder)), flatten(sweep)
        changed += [key for key in told if shown.get(key) != told[key]]
        changed += ["the space"] * (read_yaml(folder / SPACE_FILE) != parse_yaml(space, SPACE_FILE))
    except UserError:
        pass  # damaged or not there: written anew
    if not changed:
        return ()
    return (
        f"{SWEEP_FILE} or {SPACE_FILE} differs from the journal in {some(changed)}: the journal counts, and they are"
        " written anew; settings are changed on the command line",
    )
