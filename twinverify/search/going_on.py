"""Going on with a sweep: what a start may change of it, what is refused, and what the user is told of either."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from twinverify.errors import UserError, counted, did_you_mean
from twinverify.places import store_folder
from twinverify.search.journal import FILE_NAME
from twinverify.search.options import CHANGEABLE, KEPT, TuneOptions, is_plain_name
from twinverify.search.planned import StoredSweep
from twinverify.search.stored import KnownSweep, is_sweep, read_sweep, sweeps_in
from twinverify.search.versions import version_note
from twinverify.tracking.address import without_password
from twinverify.tracking.health import is_on_loopback
from twinverify.yaml12 import parse_yaml

#: So many settings of a changed space are told; of another space, none.
_TOLD = 3


def find_sweep(name: str, output: Path) -> Path:
    """Give the folder of the sweep to resume.

    Raises:
        UserError: there is no such sweep in `output`; the nearest is named.
    """
    if is_plain_name(name) and is_sweep(output / name):
        return output / name
    known = sweeps_in(output)
    hint = did_you_mean(name, known) if known else "there are none yet; start one with space=NAME"
    raise UserError(f"resume={name}: no such sweep in {output}; {hint}")


def merged_options(options: TuneOptions, asked: TuneOptions, known: KnownSweep) -> TuneOptions:
    """Give the options to go on with: what may change and was not asked for stays as it is.

    Args:
        options: those to change.
        asked: those of this start, as given.
        known: the sweep as it is.
    """
    was, given = known.sweep.options, asked.model_fields_set
    kept = {key: getattr(was, key) for key in (CHANGEABLE | KEPT) - given}
    # What is drawn stays: a smaller number only ends the drawing.
    trials = max(asked.trials, known.drawn) if "trials" in given else was.trials
    is_same = "tracking" in given and _place(asked.tracking) == _place(was.tracking)
    spelled = {"tracking": was.tracking} if is_same else {}
    return options.model_copy(update=kept | spelled | {"trials": trials, "resume": None})


def check_journal(known: KnownSweep, folder: Path) -> None:
    """Refuse a sweep whose journal is lost, or cut to nothing, beside the results of its trials.

    Raises:
        UserError: to go on would be to train all of them again, over their files.
    """
    results = [path for path in folder.glob("[0-9]*/metrics.jsonl") if path.stat().st_size]
    if not known.drawn and results:
        raise UserError(
            f"{folder / FILE_NAME}: tells of no trial, but {counted(len(results), 'trial folder')} beside it"
            f" {'has' if len(results) == 1 else 'have'} results; restore the file from a copy, or move the folder away"
            " to begin anew"
        )


def check_no_copy(sweep: StoredSweep, folder: Path) -> None:
    """Refuse the copy of a sweep whose original lies beside it: both would write to the same MLflow runs.

    A renamed sweep has no such original, and goes on.

    Raises:
        UserError: it is a copy.
    """
    original = folder.parent / sweep.name
    if folder.name != sweep.name and is_sweep(original) and read_sweep(original).sweep_id == sweep.sweep_id:
        raise UserError(
            f"sweep {folder.name}: a copy of {sweep.name} beside it, whose MLflow runs it would change; continue that"
            f" one with resume={sweep.name}, or start another with space=… name=…"
        )


def check_same(known: KnownSweep, now: StoredSweep, written: Mapping[str, Any], asked: TuneOptions) -> None:
    """Make sure that a sweep goes on as what it was.

    Args:
        known: the sweep as it is.
        now: the sweep as this start would have it.
        written: the lines of its space, but for those that this start fixes.
        asked: the options of this start, as given.

    Raises:
        UserError: something else than what may change is different; the line names each difference, old and new.
    """
    was, name = known.sweep.options, known.sweep.name
    different = []
    if asked.resume is not None:
        kept = {"name": asked.resume, "space": was.space, "config": was.config}
        given = {key: getattr(asked, key) for key in kept if key in asked.model_fields_set}
        different += [
            f"{key} was {_told(kept[key])}, now {_told(new)}" for key, new in given.items() if new != kept[key]
        ]
        name = asked.resume
    different += known.sweep.differences(now)
    if was.space == now.options.space:
        different += _space_differences(known, written)
    if different and asked.resume is not None:
        raise UserError(
            f"resume={name}: it goes on as it was started: {'; '.join(different)}; leave that out, or start another"
            " sweep with space=…"
        )
    if different:
        raise UserError(
            f"sweep {name} is there already with other settings: {'; '.join(different)}."
            " Give the same settings to continue it, or name=… to start another"
        )


def notes_on(known: KnownSweep, options: TuneOptions, asked: TuneOptions, versions: Mapping[str, str]) -> list[str]:
    """Give what the user should be told when a sweep goes on.

    Args:
        known: the sweep as it is.
        options: those that it goes on with.
        asked: those of this start, as given.
        versions: of the packages that are installed now.
    """
    notes = [*known.notes, version_note(known.sweep.versions, versions)]
    was = known.sweep.options.trials
    if "trials" in asked.model_fields_set and asked.trials < known.drawn:
        notes.append(
            f"trials={asked.trials}: {known.drawn} are drawn already; open ones are finished, no more are drawn"
        )
    elif options.trials < was:
        notes.append(f"trials was {was}, now {options.trials}, for later starts too")
    notes.append(_on_tracking(known, options.tracking, is_given="tracking" in asked.model_fields_set))
    notes.append(_on_network(known, asked))
    return [note for note in notes if note]


def _on_network(known: KnownSweep, asked: TuneOptions) -> str | None:
    """Tell where a sweep sends its results that this start does not name: its folder may come from elsewhere."""
    place = known.sweep.options.tracking or ""
    if "tracking" in asked.model_fields_set or not place.startswith(("http:", "https:")) or is_on_loopback(place):
        return None
    return f"its results go to {without_password(place)}, as its folder says; tracking=… sends them elsewhere"


def _on_tracking(known: KnownSweep, now: str | None, *, is_given: bool) -> str | None:
    was, trials = known.trackings[-1], counted(known.drawn, "trial")
    before = next((place for place in reversed(known.trackings) if place != "off"), "off")
    if _place(was) != _place(now):
        change = f"tracking was {_shown(was)}, now {_shown(now)}"
        if now == "off":
            return f"{change}, for later starts too: tracking={_shown(was)} delivers all trials there again"
        return f"{change}: all {trials} are delivered there" if known.drawn else change
    if now == "off" and not is_given and before != "off":
        return f"tracking is off, as at the last start; tracking={_shown(before)} delivers all {trials} there again"
    return None


def _place(tracking: str | None) -> str:
    return store_folder().as_uri() if tracking is None else tracking


def _shown(tracking: str | None) -> str:
    return "default" if _place(tracking) == _place(None) else without_password(str(tracking))


def _space_differences(known: KnownSweep, written: Mapping[str, Any]) -> list[str]:
    before: Mapping[str, Any] = parse_yaml(known.space, "space")
    keys = [key for key in {**before, **written} if before.get(key) != written.get(key)]
    told = [f"{key} was {_drawn(before.get(key))}, now {_drawn(written.get(key))}" for key in keys[:_TOLD]]
    more = [f"{len(keys) - _TOLD} more settings of the space"] if len(keys) > _TOLD else []
    return told + more


def _drawn(line: Any) -> str:
    return (
        "fixed" if line is None else f"drawn from {yaml.safe_dump(line, default_flow_style=True, width=1000).strip()}"
    )


def _told(value: Any) -> str:
    return "not given" if value is None else str(value)
